use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use agent_turbo_stack::{self as stack, Home};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::tools::Tools;

/// No client takes as long; one that does hangs.
const PATIENCE: Duration = Duration::from_mins(3);

/// The program with a home of its own, a server of it, and a user's home for the clients.
pub(super) struct Stage {
    pub(super) program: PathBuf,
    pub(super) tools: Tools,
    dir: TempDir,
    server: Child,
    /// Where the server is.
    pub(super) url: String,
}

impl Stage {
    pub(super) async fn set(program: PathBuf, tools: Tools) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("agent-turbo-clients-").tempdir()?;
        crate::program::open_to_all(dir.path())?;
        for folder in ["user", "work"] {
            std::fs::create_dir(dir.path().join(folder))?;
        }
        let (server, told) = {
            let mut command = surroundings(&program, dir.path(), &tools)?;
            announced(command.args(["serve", "--listen", "127.0.0.1:0", "--json"])).await?
        };
        let url = told["url"].as_str().context("the server tells no url")?.trim_end_matches('/').to_owned();
        Ok(Self { program, tools, dir, server, url })
    }

    /// Ends the server as an operator would, and what it started.
    pub(super) async fn clear(mut self) -> Result<()> {
        let pid =
            self.server.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.context("the server is gone")?, rustix::process::Signal::TERM)?;
        let status = timeout(Duration::from_secs(30), self.server.wait())
            .await
            .context("the server does not end")??;
        stack::down(&Home::at(self.home())).await?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }

    /// Where the clients work.
    pub(super) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// The clients' user.
    pub(super) fn user(&self) -> PathBuf {
        self.dir.path().join("user")
    }

    /// The program's home.
    pub(super) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// A client, with nothing of the real user's around it.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        surroundings(program, self.dir.path(), &self.tools)
    }

    /// What the program answers.
    pub(super) async fn agent_turbo(&self, arguments: &[&str]) -> Result<String> {
        output(self.command(&self.program)?.args(arguments)).await
    }

    /// The same as JSON.
    pub(super) async fn agent_turbo_json(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.agent_turbo(&[arguments, &["--json"]].concat()).await?)?)
    }
}

fn surroundings(program: impl AsRef<OsStr>, dir: &Path, tools: &Tools) -> Result<Command> {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", tools.path()?)
        .env("HOME", dir.join("user"))
        .env("AGENT_TURBO_HOME", dir.join("home"))
        .env("LANG", "C.UTF-8")
        .current_dir(dir.join("work"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

/// Runs a client to its end; what it printed.
pub(super) async fn output(command: &mut Command) -> Result<String> {
    let output = timeout(PATIENCE, command.output()).await;
    let output =
        output.with_context(|| format!("{command:?} hangs"))?.with_context(|| format!("run {command:?}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{command:?}: {}\n{out}{err}", output.status);
    }
    Ok(out.into_owned())
}

/// Starts what tells first, as a JSON document, where it listens.
pub(super) async fn announced(command: &mut Command) -> Result<(Child, Value)> {
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("run {command:?}"))?;
    let stdout = child.stdout.take().context("its stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut told = String::new();
    let told: Value = loop {
        let line = timeout(PATIENCE, lines.next_line()).await.context("it tells nothing")??;
        told.push_str(&line.with_context(|| format!("{command:?} ended at once"))?);
        if let Ok(told) = serde_json::from_str(&told) {
            break told;
        }
    };
    // Whatever it prints later must not fill the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, told))
}

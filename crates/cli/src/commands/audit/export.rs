use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use agent_turbo_orchestrator::{self as orchestrator, ActionFilter};
use anyhow::{Context, Result};
use serde_json::json;

use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{Output, count, escaped, headline};
use crate::{input, when};

/// Print actions as lines of JSON.
///
/// Each tells its place in its chain. Everything that is given must hold.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// Of this session.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// On this task.
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Of this type.
    #[arg(long = "type", value_name = "TYPE")]
    action_type: Option<String>,
    /// Of then or later: a time, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before: a time, or how long ago.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// In this project [default: all].
    #[arg(long, short)]
    project: Option<String>,
    /// Write them to this file.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let filter = ActionFilter {
            session: self.session.map(|id| id.parse()).transpose()?,
            task: self.task.map(|id| id.parse()).transpose()?,
            project: self.project,
            action_type: self.action_type,
            since: self.since.map(|time| when::ago("the time since when", &time)).transpose()?,
            until: self.until.map(|time| when::ago("the time until when", &time)).transpose()?,
        };
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let Some(path) = self.output else {
            let mut stdout = BufWriter::new(io::stdout());
            let exported =
                orchestrator.export_actions(&filter, |line| writeln!(stdout, "{}", escaped(line))).await;
            handed_on(exported).and_then(|_| Ok(stdout.flush()?)).context("write to stdout")?;
            return Ok(Exit::Done);
        };
        let name = path.display().to_string();
        let file = File::create(&path)
            .map_err(|error| input::bad("the file", format!("{name:?} cannot be made: {error}")))?;
        let mut file = BufWriter::new(file);
        let exported = orchestrator.export_actions(&filter, |line| writeln!(file, "{}", escaped(line))).await;
        let written = handed_on(exported).and_then(|count| {
            file.flush()?;
            file.get_ref().sync_all()?;
            Ok(count)
        });
        let actions = written.with_context(|| format!("write {name}"))?;
        out.line(format_args!("✅ Exported {} to {}", count(actions, "action"), headline(&name, 200)));
        out.print(&json!({ "actions": actions, "file": name }))?;
        Ok(Exit::Done)
    }
}

/// What could not be written is told as such: a reader that has enough is no failure.
fn handed_on(exported: orchestrator::Result<u64>) -> Result<u64> {
    exported.map_err(|error| match error {
        orchestrator::Error::Export(error) => error.into(),
        error => error.into(),
    })
}

mod print;
mod signals;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_turbo_orchestrator::SessionId;
use agent_turbo_worker::{Control, Options, Preset, work};
use anyhow::{Context, Result};

use self::print::Printer;
use self::signals::Signals;
use crate::acting;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::{self, Exit};
use crate::output::Output;
use crate::when;

/// Run a command for each task of a role.
///
/// The command gets the task as JSON on stdin (with a preset: nothing), and these in its arguments, wherever they stand:
/// {prompt}, the task as a prompt; {task_id}; {task_file}, a file with the JSON; {description}. In its environment are
/// AGENT_TURBO_SESSION, AGENT_TURBO_TASK, AGENT_TURBO_TASK_FILE and AGENT_TURBO_LEASE, the token for `task heartbeat`. What it
/// prints becomes the task's output: the JSON document, or the last line that is a JSON object, or the text.
///
/// It ends with 0 for a task that is done. Other exit codes, signals and --timeout fail the attempt, and the task is tried
/// again while attempts are left; codes of --final-exit fail it for good. Without the command itself the worker ends.
///
/// SIGTERM or Ctrl-C: finish what was begun, begin nothing more. Once more: kill it and give it back.
#[derive(Debug, clap::Args)]
pub(crate) struct Worker {
    /// Tasks for this role, or for any.
    #[arg(long)]
    role: String,
    /// The platform of the worker's sessions; tasks for this one, or for any.
    #[arg(long, default_value = "worker")]
    platform: String,
    /// The project whose tasks.
    #[arg(long, short)]
    project: Option<String>,
    /// Tasks at the same time, 1 to 256.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1)]
    concurrency: usize,
    /// Run this agent's program: claude-code, codex or gemini. What stands after `--` is appended to its command.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// A shell command that must succeed before a task counts as done. It runs in the same place, with the command's stdout
    /// in the file $AGENT_TURBO_OUTPUT_FILE; what it prints is kept with the task as evidence.
    #[arg(long, value_name = "COMMAND")]
    verify: Option<String>,
    /// Where commands run.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How long a command may take, and then its verification; 0 for any time.
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    timeout: String,
    /// How long a command may print nothing before it is killed [default: any time; agents in print mode are silent until
    /// they are done].
    #[arg(long, value_name = "DURATION")]
    stall_after: Option<String>,
    /// How long a command that is asked to end (SIGTERM) has until it is killed (SIGKILL), with all that it started.
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    kill_after: String,
    /// Exit codes that say that no attempt will succeed. 64 and 65 are EX_USAGE and EX_DATAERR of sysexits.h; with --preset
    /// gemini, 42 is one anyway.
    #[arg(long, value_name = "CODES", value_delimiter = ',', default_value = "64,65")]
    final_exit: Vec<i32>,
    /// What is kept of stdout and of stderr, in bytes: half from the beginning, half from the end.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    capture_bytes: usize,
    /// Begin no task after commands have said that they used so many tokens, all together.
    #[arg(long, value_name = "N")]
    budget_tokens: Option<u64>,
    /// Begin no more than so many tasks.
    #[arg(long, value_name = "N")]
    max_tasks: Option<u64>,
    /// End when no task is ready and none is being worked on.
    #[arg(long)]
    exit_when_empty: bool,
    /// How long a task is the worker's without a sign of life; after a kill -9 it is ready again so much later.
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    lease: String,
    /// How often a sign of life is shown, which is when a cancellation is learnt of.
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    heartbeat: String,
    /// The command and its arguments.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

impl Worker {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output, verbose: bool) -> Result<Exit> {
        let options = self.options(deployment, acting::exported()?, verbose)?;
        let (control, printer) = (Control::default(), Arc::new(Printer::new(out.is_json())));
        // Before anything is claimed: from then on a signal finds somebody.
        let signals = Signals::hear(&control)?;
        let orchestrator = deployment.open_orchestrator(Lifetime::LongLived).await?;
        let observer = Arc::clone(&printer);
        let enough = control.clone();
        let summary = work(&orchestrator, options, &control, move |event| {
            // Whoever reads the results may be slow, and nobody else's heartbeat may wait for him. When he is gone nobody
            // would know of further ones.
            if tokio::task::block_in_place(|| observer.tell(&event)).is_err() {
                enough.drain();
            }
        })
        .await?;
        printer.end(&summary)?;
        if signals.told_to_stop() && summary.released > 0 {
            return Ok(exit::fail(
                "finish what was begun: told to stop",
                "the tasks are back in the queue, and the attempts do not count",
            ));
        }
        Ok(Exit::Done)
    }

    fn options(self, deployment: &Deployment, parent: Option<SessionId>, verbose: bool) -> Result<Options> {
        let timeout = when::duration("the timeout", &self.timeout)?;
        let stall_after =
            self.stall_after.map(|silence| when::duration("the longest silence", &silence)).transpose()?;
        let command = match self.dir.as_ref() {
            Some(dir) if !dir.is_dir() => {
                return Err(crate::input::bad("the folder", format!("{} is none", dir.display())));
            }
            _ => self.command,
        };
        Ok(Options {
            platform: self.platform,
            project: deployment.project(self.project.as_deref())?.to_string(),
            parent,
            preset: self.preset.map(|name| name.parse::<Preset>()).transpose()?,
            dir: self.dir,
            env: environment(deployment)?,
            verify: self.verify,
            concurrency: self.concurrency,
            lease: when::duration("the lease", &self.lease)?,
            heartbeat: when::duration("the pause between heartbeats", &self.heartbeat)?,
            timeout: (timeout > Duration::ZERO).then_some(timeout),
            stall_after: stall_after.filter(|silence| !silence.is_zero()),
            kill_after: when::duration("the time to end", &self.kill_after)?,
            final_exit: self.final_exit,
            capture_bytes: self.capture_bytes,
            budget_tokens: self.budget_tokens,
            max_tasks: self.max_tasks,
            exit_when_empty: self.exit_when_empty,
            forward_stderr: verbose,
            ..Options::new(self.role, command)
        })
    }
}

/// What commands need to find the same database by this program, which need not be on their path.
fn environment(deployment: &Deployment) -> Result<Vec<(OsString, OsString)>> {
    let program = std::env::current_exe().context("find this program's own file")?;
    let mut variables = vec![("AGENT_TURBO_PROGRAM".into(), program.into())];
    if !deployment.settings.schema.is_empty() {
        variables.push(("AGENT_TURBO_SCHEMA".into(), deployment.settings.schema.clone().into()));
    }
    Ok(variables)
}

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use agent_turbo_orchestrator::{MAX_LEASE, SessionId};

use crate::{Error, Preset, Result};

const MAX_CONCURRENCY: usize = 256;
const MAX_CAPTURE: usize = 64 << 20;

/// What a worker does, for whom, and within which bounds.
#[derive(Debug, Clone)]
pub struct Options {
    /// The role whose tasks it does, and those for any role.
    pub role: String,
    /// The platform of its sessions; it does tasks for this one, and those for any [default: worker].
    pub platform: String,
    /// The project whose tasks [default: default].
    pub project: String,
    /// The session that starts the worker.
    pub parent: Option<SessionId>,
    /// The command and its arguments, in which `{prompt}`, `{task_id}`, `{task_file}` and `{description}` are replaced;
    /// with a preset, what is appended to the preset's command.
    pub command: Vec<String>,
    /// An agent's program whose answers are understood.
    pub preset: Option<Preset>,
    /// Where commands run [default: where the worker runs].
    pub dir: Option<PathBuf>,
    /// Variables that commands get beside those of the worker.
    pub env: Vec<(OsString, OsString)>,
    /// A shell command that must succeed before a task counts as done.
    pub verify: Option<String>,
    /// Tasks at the same time, 1 to 256 [default: 1].
    pub concurrency: usize,
    /// How long a task is held without a sign of life [default: 2 min].
    pub lease: Duration,
    /// How often a sign of life is shown and a cancellation learnt of, at least three times a lease [default: 5 s].
    pub heartbeat: Duration,
    /// How long a command, and then its verification, may take; any time when left out [default: 1 h].
    pub timeout: Option<Duration>,
    /// How long a command may say nothing; any time when left out.
    pub stall_after: Option<Duration>,
    /// How long a process group that was asked to end may take before it is killed [default: 10 s].
    pub kill_after: Duration,
    /// Exit codes after which no other attempt is made [default: 64 (`EX_USAGE`) and 65 (`EX_DATAERR`) of sysexits.h, and
    /// what the preset adds].
    pub final_exit: Vec<i32>,
    /// What is kept of each of stdout and stderr, in bytes: half of it from the beginning, half from the end
    /// [default: 1 MiB].
    pub capture_bytes: usize,
    /// Tokens after which no further task is begun.
    pub budget_tokens: Option<u64>,
    /// Tasks after which no further one is begun.
    pub max_tasks: Option<u64>,
    /// Ends when no task is ready and none is being worked on.
    pub exit_when_empty: bool,
    /// How long the database may be away before the worker gives up [default: 15 min].
    pub max_outage: Duration,
    /// Hands what commands say on stderr to the observer.
    pub forward_stderr: bool,
}

impl Options {
    /// Any command for the tasks of `role`, with the defaults.
    pub fn new(role: impl Into<String>, command: Vec<String>) -> Self {
        Self {
            role: role.into(),
            platform: "worker".to_owned(),
            project: "default".to_owned(),
            parent: None,
            command,
            preset: None,
            dir: None,
            env: Vec::new(),
            verify: None,
            concurrency: 1,
            lease: Duration::from_mins(2),
            heartbeat: Duration::from_secs(5),
            timeout: Some(Duration::from_hours(1)),
            stall_after: None,
            kill_after: Duration::from_secs(10),
            final_exit: vec![64, 65],
            capture_bytes: 1 << 20,
            budget_tokens: None,
            max_tasks: None,
            exit_when_empty: false,
            max_outage: Duration::from_mins(15),
            forward_stderr: false,
        }
    }

    /// The command before its placeholders are replaced.
    pub(crate) fn whole_command(&self) -> Vec<String> {
        let preset = self.preset.into_iter().flat_map(Preset::command).map(|word| (*word).to_owned());
        preset.chain(self.command.iter().cloned()).collect()
    }

    pub(crate) fn is_final(&self, code: i32) -> bool {
        self.final_exit.contains(&code) || self.preset.is_some_and(|preset| preset.is_final(code))
    }

    /// Often enough for two that are lost.
    pub(crate) fn beat(&self) -> Duration {
        self.heartbeat.min(self.lease / 3)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.whole_command().first().is_none_or(String::is_empty) {
            return Err(Error::bad_input("the command", "there is none: name one after `--`, or a preset"));
        }
        for (what, number, max) in [
            ("the concurrency", self.concurrency, MAX_CONCURRENCY),
            ("the bytes that are kept of an output", self.capture_bytes, MAX_CAPTURE),
        ] {
            if !(1..=max).contains(&number) {
                return Err(Error::bad_input(what, format!("{number} is not between 1 and {max}")));
            }
        }
        for (what, duration) in [("the lease", self.lease), ("the pause between heartbeats", self.heartbeat)]
        {
            if duration < Duration::from_millis(10) || duration > MAX_LEASE {
                return Err(Error::bad_input(
                    what,
                    format!("{duration:?} is not between 10 ms and {} hours", MAX_LEASE.as_secs() / 3600),
                ));
            }
        }
        Ok(())
    }
}

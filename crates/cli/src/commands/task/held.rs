use agent_turbo_orchestrator::{LeaseToken, TaskId};
use anyhow::Result;

/// A task, and the proof that one holds it.
#[derive(Debug, clap::Args)]
pub(super) struct Held {
    /// The task's id.
    task: String,
    /// The lease's token, as `task claim` gave it out.
    #[arg(long, value_name = "TOKEN")]
    token: String,
}

impl Held {
    pub(super) fn parse(&self) -> Result<(TaskId, LeaseToken)> {
        Ok((self.task.parse()?, self.token.parse()?))
    }
}

use agent_turbo_orchestrator::{Failure, TaskStatus};
use anyhow::Result;

use crate::commands::task::held::Held;
use crate::commands::task::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{Output, moment};
use crate::when;

/// The attempt failed.
///
/// While attempts are left the task is tried again.
#[derive(Debug, clap::Args)]
pub(super) struct Fail {
    #[command(flatten)]
    held: Held,
    /// What went wrong.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    error: String,
    /// No attempt will succeed: do not try again.
    #[arg(long = "final")]
    is_final: bool,
    /// How long to wait before it is tried again [default: 1s, doubled by each attempt, at most 5m].
    #[arg(long, value_name = "DURATION", conflicts_with = "is_final")]
    retry_after: Option<String>,
}

impl Fail {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (task, token) = self.held.parse()?;
        let after = self.retry_after.map(|after| when::duration("the pause", &after)).transpose()?;
        let failure = if self.is_final { Failure::Final } else { Failure::Retryable { after } };
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let task = orchestrator.fail_task(&task, token, &self.error, failure).await?;
        if task.status == TaskStatus::Failed {
            print::changed(&mut out, "⚠️  Failed for good:", &task);
        } else {
            print::changed(&mut out, "⚠️  Failed, and tried again:", &task);
            let after = task.run_after.map(|time| format!(", not before {}", moment(time)));
            let (attempts, max) = (task.attempts, task.max_attempts);
            out.line(format_args!("   attempt {attempts} of {max}{}", after.unwrap_or_default()));
        }
        out.print(&task)?;
        Ok(Exit::Done)
    }
}

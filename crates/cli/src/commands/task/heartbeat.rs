use agent_turbo_orchestrator::{self as orchestrator, Progress};
use anyhow::Result;

use crate::commands::task::held::Held;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::{self, Exit};
use crate::output::{Output, headline, moment};
use crate::when;

/// Show a sign of life, so that the task stays yours; learn whether it is still wanted.
///
/// The exit code 5 says: stop working, the task was cancelled or is no longer yours.
#[derive(Debug, clap::Args)]
pub(super) struct Heartbeat {
    #[command(flatten)]
    held: Held,
    /// How far it is, in percent.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    progress: Option<i32>,
    /// What you are at.
    #[arg(long, value_name = "TEXT")]
    step: Option<String>,
    /// How long it is yours from now on, at the least: seconds, or a duration such as 5m; at most a day.
    #[arg(long, value_name = "DURATION", default_value = "15m")]
    lease: String,
}

impl Heartbeat {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (task, token) = self.held.parse()?;
        let lease = when::duration("the lease", &self.lease)?;
        let progress = Progress { percentage: self.progress, current_step: self.step };
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let heartbeat = match orchestrator.heartbeat_task(&task, token, lease, progress).await {
            Err(error @ orchestrator::Error::LostLease { .. }) => {
                exit::complain(&error.into());
                return Ok(Exit::Stop);
            }
            heartbeat => heartbeat?,
        };
        let exit = match &heartbeat {
            orchestrator::Heartbeat::Alive { expires_at } => {
                out.line(format_args!("✅ Go on: the task is yours until {}", moment(*expires_at)));
                Exit::Done
            }
            orchestrator::Heartbeat::Cancelled { reason } => {
                let reason = reason.as_ref().map(|reason| format!(" ({})", headline(reason, 120)));
                out.line(format_args!("⚠️  Stop: the task was cancelled{}", reason.unwrap_or_default()));
                Exit::Stop
            }
        };
        out.print(&heartbeat)?;
        Ok(exit)
    }
}

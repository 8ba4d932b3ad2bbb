use std::time::Duration;

use agent_turbo_orchestrator::SilenceLimits;
use anyhow::Result;

use crate::commands::task::claim::ClaimArgs;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::Output;
use crate::when;

const REAP_EVERY: Duration = Duration::from_secs(30);

/// Take the best task as soon as there is one.
///
/// The exit code is 3 when there was none in time.
#[derive(Debug, clap::Args)]
pub(super) struct Wait {
    #[command(flatten)]
    claim: ClaimArgs,
    /// How long to wait: seconds, or a duration such as 5m.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: String,
}

impl Wait {
    pub(super) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        let (lease, timeout) = (self.claim.lease()?, when::duration("the timeout", &self.timeout)?);
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let claimant = self.claim.claimant(deployment, &orchestrator).await?;
        // Whoever waits long does what there is to do for all.
        let _reaper = orchestrator.start_reaper(SilenceLimits::default(), REAP_EVERY);
        let mut claimed = Vec::from_iter(orchestrator.wait_for_task(&claimant, lease, timeout).await?);
        let more = self.claim.count().saturating_sub(claimed.len());
        if !claimed.is_empty() && more > 0 {
            // Those that are ready with it; the first one is held and must be told of whatever happens here.
            match orchestrator.claim_tasks(&claimant, more, lease).await {
                Ok(others) => claimed.extend(others),
                Err(error) => tracing::warn!("failed to {error}"),
            }
        }
        self.claim.tell(&orchestrator, out, &claimed).await
    }
}

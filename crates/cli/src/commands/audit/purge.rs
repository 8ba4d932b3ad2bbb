use agent_turbo_orchestrator::SessionId;
use anyhow::Result;
use serde_json::json;

use crate::acting::Acting;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::input::bad;
use crate::output::{Output, count, headline, moment};
use crate::when;

/// Remove the oldest actions of a session for good.
///
/// The record says that they are gone, why, and by whom.
#[derive(Debug, clap::Args)]
pub(super) struct Purge {
    /// The session whose actions, or the task that they were done on without a session.
    #[arg(value_name = "SESSION")]
    chain: String,
    /// Up to the first action that is not older: a time, or how long ago, such as 90d.
    #[arg(long, value_name = "TIME")]
    before: String,
    /// Why.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: String,
    /// Do it: what is removed cannot be brought back.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    acting: Acting,
}

impl Purge {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (before, by) = (when::ago("the time before which", &self.before)?, self.acting.session()?);
        if !self.yes {
            return Err(bad(
                "the purge",
                format!(
                    "actions before {} would be gone for good; export them first, then say --yes",
                    moment(before)
                ),
            ));
        }
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let by = by.as_ref().map(SessionId::as_str);
        let removed = orchestrator.purge_actions(&self.chain, before, &self.reason, by).await?;
        out.line(format_args!("✅ Purged {} of {}", count(removed, "action"), headline(&self.chain, 100)));
        out.print(&json!({ "removed": removed }))?;
        Ok(Exit::Done)
    }
}

use agent_turbo_orchestrator::Usage;
use anyhow::Result;

use crate::acting::Meant;
use crate::commands::session::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Show a sign of life, with what was used since the last one.
///
/// An idle session is active again.
#[derive(Debug, clap::Args)]
pub(super) struct Touch {
    #[command(flatten)]
    meant: Meant,
    /// Tokens used since then.
    #[arg(long, value_name = "N", default_value_t = 0)]
    tokens: u32,
    /// Calls made since then.
    #[arg(long, value_name = "N", default_value_t = 0)]
    api_calls: u32,
}

impl Touch {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let id = self.meant.session()?;
        let usage = Usage { tokens_used: self.tokens, api_calls: self.api_calls };
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let session = orchestrator.touch_session(&id, usage).await?;
        out.line(format_args!("✅ Noted: {} {}", print::id(&session), print::usage(&session)));
        out.print(&session)?;
        Ok(Exit::Done)
    }
}

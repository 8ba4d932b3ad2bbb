use anyhow::Result;

use crate::commands::session::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{Output, headline};

/// End a session; the tasks that it holds go back to the queue.
#[derive(Debug, clap::Args)]
pub(super) struct End {
    /// The session's id.
    #[arg(value_name = "SESSION")]
    id: String,
    /// It went wrong, and why.
    #[arg(long, value_name = "REASON", allow_hyphen_values = true)]
    failed: Option<String>,
}

impl End {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let id = self.id.parse()?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let ended = match &self.failed {
            Some(reason) => orchestrator.fail_session(&id, reason).await?,
            None => orchestrator.complete_session(&id).await?,
        };
        out.line(format_args!("✅ Ended session: {} ({})", print::id(&ended.session), ended.session.status));
        for task in &ended.released_tasks {
            out.line(format_args!("   Back in the queue: {}", headline(task.as_str(), 80)));
        }
        out.print(&ended)?;
        Ok(Exit::Done)
    }
}

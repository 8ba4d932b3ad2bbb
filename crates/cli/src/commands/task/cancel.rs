use anyhow::Result;

use crate::acting::Acting;
use crate::commands::task::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// The task is no longer wanted.
///
/// Whoever is at it learns so at the next heartbeat.
#[derive(Debug, clap::Args)]
pub(super) struct Cancel {
    /// The task's id.
    task: String,
    /// Why.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

impl Cancel {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (task, by) = (self.task.parse()?, self.acting.session()?);
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let cancelled = orchestrator.cancel_task(&task, self.reason.as_deref(), by.as_ref()).await?;
        print::changed(&mut out, "✅ Cancelled", &cancelled.task);
        if cancelled.was_running {
            out.line("   It was being worked on: its worker learns of it at the next heartbeat");
        }
        out.print(&cancelled)?;
        Ok(Exit::Done)
    }
}

use anyhow::Result;

use crate::acting::Acting;
use crate::commands::task::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Put a blocked task back into the queue.
#[derive(Debug, clap::Args)]
pub(super) struct Unblock {
    /// The task's id.
    task: String,
    #[command(flatten)]
    acting: Acting,
}

impl Unblock {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (task, by) = (self.task.parse()?, self.acting.session()?);
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let task = orchestrator.unblock_task(&task, by.as_ref()).await?;
        print::changed(&mut out, "✅ Unblocked", &task);
        out.print(&task)?;
        Ok(Exit::Done)
    }
}

use anyhow::Result;

use crate::acting::Acting;
use crate::commands::task::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Take a task out of the queue until somebody unblocks it.
///
/// One that is held is blocked by its holder.
#[derive(Debug, clap::Args)]
pub(super) struct Block {
    /// The task's id.
    task: String,
    /// What it waits for.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: String,
    /// The lease's token, where one holds it.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

impl Block {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (task, by) = (self.task.parse()?, self.acting.session()?);
        let token = self.token.map(|token| token.parse()).transpose()?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let task = orchestrator.block_task(&task, token, &self.reason, by.as_ref()).await?;
        print::changed(&mut out, "✅ Blocked", &task);
        out.print(&task)?;
        Ok(Exit::Done)
    }
}

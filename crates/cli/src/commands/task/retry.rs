use anyhow::Result;

use crate::acting::Acting;
use crate::commands::task::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Put a failed or cancelled task back into the queue.
///
/// That is another round: at least one more attempt.
#[derive(Debug, clap::Args)]
pub(super) struct Retry {
    /// The task's id.
    task: String,
    /// Why.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

impl Retry {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (task, by) = (self.task.parse()?, self.acting.session()?);
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let task = orchestrator.retry_task(&task, self.reason.as_deref(), by.as_ref()).await?;
        print::changed(&mut out, "✅ Put back into the queue:", &task);
        out.print(&task)?;
        Ok(Exit::Done)
    }
}

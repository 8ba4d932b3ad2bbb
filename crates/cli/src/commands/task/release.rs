use anyhow::Result;

use crate::commands::task::held::Held;
use crate::commands::task::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Give a task back; the attempt does not count.
///
/// It is ready at once.
#[derive(Debug, clap::Args)]
pub(super) struct Release {
    #[command(flatten)]
    held: Held,
    /// Why.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: Option<String>,
}

impl Release {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (task, token) = self.held.parse()?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let task = orchestrator.release_task(&task, token, self.reason.as_deref()).await?;
        print::changed(&mut out, "✅ Released", &task);
        out.print(&task)?;
        Ok(Exit::Done)
    }
}

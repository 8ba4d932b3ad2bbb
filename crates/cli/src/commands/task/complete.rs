use anyhow::Result;

use crate::commands::task::held::Held;
use crate::commands::task::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::input;
use crate::output::Output;

/// The task is done.
///
/// Repeating it with the same token changes nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Complete {
    #[command(flatten)]
    held: Held,
    /// What came out of it: JSON, `@file`, or `-` for stdin.
    #[arg(long, value_name = "JSON")]
    output: Option<String>,
}

impl Complete {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (task, token) = self.held.parse()?;
        let output = self.output.map(|json| input::json("the output", &json)).transpose()?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let task = orchestrator.complete_task(&task, token, output).await?;
        print::changed(&mut out, "✅ Completed", &task);
        out.print(&task)?;
        Ok(Exit::Done)
    }
}

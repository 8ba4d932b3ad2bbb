use anyhow::Result;

use crate::commands::task::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{BOLD, Output, harmless};

/// Say why a task is not running.
///
/// The one reason, by the rules that claiming goes by.
#[derive(Debug, clap::Args)]
pub(super) struct Why {
    /// The task's id.
    task: String,
}

impl Why {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let task = self.task.parse()?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let why = orchestrator.why(&task).await?;
        out.line(format_args!("{BOLD}{}{BOLD:#}: {}", print::id(&why.task), harmless(&why.explain())));
        out.print(&why)?;
        Ok(Exit::Done)
    }
}

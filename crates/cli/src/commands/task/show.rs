use agent_turbo_orchestrator::TaskId;
use anyhow::Result;

use crate::commands::{show, task::print};
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Show a task.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The task's id.
    task: String,
}

impl Show {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let id: TaskId = self.task.parse()?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let Some(task) = orchestrator.get_task(&id).await? else {
            return show::nothing(out, format_args!("There is no task {id}."));
        };
        print::whole(&mut out, &task);
        out.print(&task)?;
        Ok(Exit::Done)
    }
}

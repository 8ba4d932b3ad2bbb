use agent_turbo_orchestrator::CreatedTask;
use anyhow::Result;

use crate::acting::Acting;
use crate::commands::task::described::Described;
use crate::commands::task::print;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Make a task.
#[derive(Debug, clap::Args)]
pub(super) struct Create {
    #[command(flatten)]
    described: Described,
    #[command(flatten)]
    acting: Acting,
    /// The project it belongs to [default: the session's, else default].
    #[arg(long, short)]
    project: Option<String>,
}

impl Create {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let session_id = self.acting.session()?;
        let mut task = self.described.task(deployment)?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        task.project = Some(deployment.project_of(&orchestrator, self.project, session_id.as_ref()).await?);
        task.session_id = session_id;
        let made = orchestrator.create_task(task).await?;
        created(&mut out, &made);
        out.print(&made)?;
        Ok(Exit::Done)
    }
}

/// That a task was made, or was there.
pub(crate) fn created(out: &mut Output, made: &CreatedTask) {
    let id = print::id(&made.task);
    if made.created {
        out.line(format_args!("✅ Created task: {id}"));
    } else {
        out.line(format_args!("⚠️  Known by its key: {id} ({})", made.task.status));
    }
}

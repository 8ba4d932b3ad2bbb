use anyhow::Result;

use super::planner;
use crate::acting::Acting;
use crate::commands::task::create::created;
use crate::commands::task::described::Described;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::Output;

/// Hand over a task on behalf of a session that is at work, in its project.
#[derive(Debug, clap::Args)]
pub(super) struct Delegate {
    #[command(flatten)]
    described: Described,
    #[command(flatten)]
    acting: Acting,
}

impl Delegate {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let session = self.acting.needed()?;
        let task = self.described.task(deployment)?;
        let made = planner(deployment).await?.create_delegated_task(&session, task).await?;
        created(&mut out, &made);
        out.print(&made)?;
        Ok(Exit::Done)
    }
}

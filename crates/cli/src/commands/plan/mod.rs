mod audit;
mod delegate;
mod load;
mod start;
pub(crate) mod summary;

use agent_turbo_planner::Planner;
use anyhow::Result;

use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Plan work for several agents, and audit what comes of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    #[command(subcommand)]
    verb: Verb,
}

// What each does is told by its own documentation: a line here would hide the rest of it from --help.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    Start(start::Start),
    Delegate(Box<delegate::Delegate>),
    Load(load::Load),
    Audit(audit::Audit),
    Summary(summary::Summary),
}

impl Plan {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        match self.verb {
            Verb::Start(verb) => verb.run(deployment, out).await,
            Verb::Delegate(verb) => verb.run(deployment, out).await,
            Verb::Load(verb) => verb.run(deployment, out).await,
            Verb::Audit(verb) => verb.run(deployment, out).await,
            Verb::Summary(verb) => verb.run(deployment, out).await,
        }
    }
}

async fn planner(deployment: &Deployment) -> Result<Planner> {
    Ok(Planner::new(deployment.open_orchestrator(Lifetime::OneCommand).await?))
}

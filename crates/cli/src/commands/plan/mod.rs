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

/// Plan work for several agents: hand it over, and see whether it was done well.
#[derive(Debug, clap::Args)]
pub(crate) struct Plan {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Start a session that plans, and show what there is to know.
    Start(start::Start),
    /// Hand over a task.
    Delegate(Box<delegate::Delegate>),
    /// Hand over a whole plan from a file, all of it or nothing.
    Load(load::Load),
    /// Audit a result, or list what is to be audited.
    Audit(audit::Audit),
    /// Show what a session came to, with the sessions that it started.
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

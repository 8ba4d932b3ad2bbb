pub(crate) mod batch;
mod log;

use anyhow::Result;

use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::Output;

/// Write down what was done. What becomes of sessions and tasks is written down by itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Action {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Log(log::Log),
}

impl Action {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        match self.verb {
            Verb::Log(verb) => verb.run(deployment, out).await,
        }
    }
}

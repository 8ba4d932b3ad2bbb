mod export;
mod purge;
mod verify;

use anyhow::Result;

use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::Output;

/// Check the record of what was done, hand it on, and shorten it.
#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Verify(verify::Verify),
    Export(export::Export),
    Purge(purge::Purge),
}

impl Audit {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        match self.verb {
            Verb::Verify(verb) => verb.run(deployment, out).await,
            Verb::Export(verb) => verb.run(deployment, out).await,
            Verb::Purge(verb) => verb.run(deployment, out).await,
        }
    }
}

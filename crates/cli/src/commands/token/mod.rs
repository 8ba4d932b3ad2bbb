mod create;
mod list;
mod revoke;

use anyhow::Result;

use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::Output;

/// What programs show that speak to `agent-turbo serve` from other machines.
#[derive(Debug, clap::Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Create(create::Create),
    List(list::List),
    Revoke(revoke::Revoke),
}

impl Token {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        match self.verb {
            Verb::Create(verb) => verb.run(deployment, out).await,
            Verb::List(verb) => verb.run(deployment, out).await,
            Verb::Revoke(verb) => verb.run(deployment, out).await,
        }
    }
}

mod bar;
mod options;
mod print;
mod proposals;
mod sqlite;
mod verify;

use anyhow::Result;

use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::Output;

/// Bring knowledge from the stores that came before.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Sqlite(sqlite::Sqlite),
    Verify(verify::Verify),
}

impl Import {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        match self.verb {
            Verb::Sqlite(verb) => verb.run(deployment, out).await,
            Verb::Verify(verb) => verb.run(deployment, out).await,
        }
    }
}

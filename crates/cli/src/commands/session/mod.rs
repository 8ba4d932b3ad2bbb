mod end;
mod list;
pub(crate) mod print;
mod show;
mod start;
mod touch;

use anyhow::Result;

use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::Output;

/// The sessions of agents: from their start, with all that an agent must know then, to their end.
#[derive(Debug, clap::Args)]
pub(crate) struct Session {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Start(start::Start),
    Touch(touch::Touch),
    End(end::End),
    Show(show::Show),
    List(list::List),
}

impl Session {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        match self.verb {
            Verb::Start(verb) => verb.run(deployment, out).await,
            Verb::Touch(verb) => verb.run(deployment, out).await,
            Verb::End(verb) => verb.run(deployment, out).await,
            Verb::Show(verb) => verb.run(deployment, out).await,
            Verb::List(verb) => verb.run(deployment, out).await,
        }
    }
}

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
    /// Start a session, or go on with one, and show what there is to know.
    Start(start::Start),
    /// Show a sign of life, with what was used since the last one.
    Touch(touch::Touch),
    /// End a session; the tasks that it holds go back to the queue.
    End(end::End),
    /// Show a session with those that it comes from and those that it started.
    Show(show::Show),
    /// List sessions, newest first.
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

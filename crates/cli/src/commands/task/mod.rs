mod block;
mod cancel;
mod claim;
mod complete;
pub(crate) mod create;
pub(crate) mod described;
pub(crate) mod document;
mod fail;
mod graph;
mod heartbeat;
mod held;
mod list;
mod print;
mod release;
mod retry;
mod show;
mod unblock;
mod wait;
mod why;

use anyhow::Result;

use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::Output;

/// Work that agents hand each other.
#[derive(Debug, clap::Args)]
pub(crate) struct Task {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Create(create::Create),
    Graph(graph::Graph),
    Claim(claim::Claim),
    Wait(wait::Wait),
    Heartbeat(heartbeat::Heartbeat),
    Complete(complete::Complete),
    Fail(fail::Fail),
    Release(release::Release),
    Block(block::Block),
    Unblock(unblock::Unblock),
    Cancel(cancel::Cancel),
    Retry(retry::Retry),
    List(list::List),
    Show(show::Show),
    Why(why::Why),
}

impl Task {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        match self.verb {
            Verb::Create(verb) => verb.run(deployment, out).await,
            Verb::Graph(verb) => verb.run(deployment, out).await,
            Verb::Claim(verb) => verb.run(deployment, out).await,
            Verb::Wait(verb) => verb.run(deployment, out).await,
            Verb::Heartbeat(verb) => verb.run(deployment, out).await,
            Verb::Complete(verb) => verb.run(deployment, out).await,
            Verb::Fail(verb) => verb.run(deployment, out).await,
            Verb::Release(verb) => verb.run(deployment, out).await,
            Verb::Block(verb) => verb.run(deployment, out).await,
            Verb::Unblock(verb) => verb.run(deployment, out).await,
            Verb::Cancel(verb) => verb.run(deployment, out).await,
            Verb::Retry(verb) => verb.run(deployment, out).await,
            Verb::List(verb) => verb.run(deployment, out).await,
            Verb::Show(verb) => verb.run(deployment, out).await,
            Verb::Why(verb) => verb.run(deployment, out).await,
        }
    }
}

mod block;
mod cancel;
mod claim;
mod complete;
pub(crate) mod create;
pub(crate) mod described;
mod document;
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
    /// Make a task.
    Create(create::Create),
    /// Make many tasks that depend on each other, all or none.
    Graph(graph::Graph),
    /// Take the best task that is ready.
    Claim(claim::Claim),
    /// Take the best task as soon as there is one.
    Wait(wait::Wait),
    /// Show a sign of life, so that the task stays yours; learn whether it is still wanted.
    Heartbeat(heartbeat::Heartbeat),
    /// The task is done.
    Complete(complete::Complete),
    /// The attempt failed.
    Fail(fail::Fail),
    /// Give a task back; the attempt does not count.
    Release(release::Release),
    /// Take a task out of the queue until somebody unblocks it.
    Block(block::Block),
    /// Put a blocked task back into the queue.
    Unblock(unblock::Unblock),
    /// The task is no longer wanted.
    Cancel(cancel::Cancel),
    /// Put a failed or cancelled task back into the queue.
    Retry(retry::Retry),
    /// List tasks, newest first.
    List(list::List),
    /// Show a task.
    Show(show::Show),
    /// Say why a task is not running.
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

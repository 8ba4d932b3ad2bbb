//! A process of agents that can be killed: this program once more, by a subcommand that nobody else calls.

use std::sync::Arc;
use std::time::Duration;

use agent_turbo_db::ConnectionUrl;
use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

use super::compare::compare;
use super::crew::Crew;
use super::event::{Event, Sink};
use super::process::{Places, Process};

/// The subcommand's name.
pub(super) const COMMAND: &str = "soak-worker";
/// Where the database and the embedding service are: not on the command line, which everybody can read.
pub(super) const DATABASE: &str = "SOAK_DATABASE_URL";
pub(super) const EMBEDDER: &str = "SOAK_EMBEDDER_URL";

/// It may be started while the database is away.
const OPENING: Duration = Duration::from_mins(1);
const AGENTS: u64 = 2;

/// The agents of one soak process; started by `soak` alone.
#[derive(clap::Args)]
pub(crate) struct Worker {
    #[arg(long)]
    name: String,
    #[arg(long)]
    seed: u64,
}

impl Worker {
    pub(crate) fn run(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let outcome = runtime.block_on(self.work());
        runtime.shutdown_background();
        outcome
    }

    async fn work(&self) -> Result<()> {
        let set = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
        let places = Places { database: ConnectionUrl::new(set(DATABASE)?), embedder: set(EMBEDDER)? };
        let process = Arc::new(open(&self.name, &places).await?);
        let sink = Sink::Stdout;
        let mut orders = BufReader::new(tokio::io::stdin()).lines();
        let crew = Crew::start(&process, AGENTS, &sink, self.seed);
        sink.tell(Event::Ready);
        if !hear(&mut orders, "quiet").await? {
            return Ok(());
        }
        crew.stop(&sink).await;
        sink.tell(Event::Quiet { connections: process.connections() });
        if !hear(&mut orders, "compare").await? {
            return Ok(());
        }
        match compare(&process).await {
            Ok(compared) => {
                // Questions may have needed more connections than the last of the work.
                sink.tell(Event::Quiet { connections: process.connections() });
                sink.tell(compared);
            }
            Err(error) => sink.violation(format!("{error:#}")),
        }
        // The connections are counted until the end is wanted.
        hear(&mut orders, "end").await?;
        Ok(())
    }
}

/// Waits for an order; `false` when whoever gives them is gone.
async fn hear(orders: &mut Lines<BufReader<Stdin>>, expected: &str) -> Result<bool> {
    match orders.next_line().await? {
        None => Ok(false),
        Some(order) if order == expected => Ok(true),
        Some(order) => bail!("the order {order:?} came instead of {expected:?}"),
    }
}

async fn open(name: &str, places: &Places) -> Result<Process> {
    let until = tokio::time::Instant::now() + OPENING;
    loop {
        match Process::open(name, places).await {
            Err(_) if tokio::time::Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            outcome => return outcome,
        }
    }
}

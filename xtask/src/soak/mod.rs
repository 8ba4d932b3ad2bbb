//! The soak: agents at work while, at random, everything that they rely on breaks; then proof that nothing was lost.

mod agents;
mod checks;
mod compare;
mod crew;
mod event;
mod faults;
mod memory;
mod oracle;
mod outcome;
mod probe;
mod process;
mod proxy;
mod report;
mod schedule;
mod watch;
mod worker;
mod workers;
mod world;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::time::Instant;

pub(crate) use worker::Worker;

use crew::Crew;
use event::Sink;
use oracle::Oracle;
use process::Process;
use report::Report;
use schedule::Schedule;
use watch::Watch;
use workers::Workers;
use world::{Ground, World};

/// Agents in this process, and processes of agents beside it.
const AGENTS: u64 = 3;
const WORKERS: usize = 3;
/// Without faults, at the beginning and at the end.
const CALM: Duration = Duration::from_secs(5);

/// Let agents work while backends, PostgreSQL, workers and the embedding service are killed, stopped and made wrong at
/// random; then check that nothing acknowledged is lost or done twice. On a PostgreSQL of its own, which goes with it.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask soak --minutes 2
  cargo xtask soak --minutes 30 --report docs/SOAK.md
  cargo xtask soak --minutes 2 --seed 7        the same faults again")]
pub(crate) struct Args {
    /// How long the faults go on.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// What the schedule is drawn from: the same seed, the same faults [default: a new one].
    #[arg(long)]
    seed: Option<u64>,
    /// One JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// Write a Markdown report to this file as well.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Everything that is at work.
pub(super) struct Soak {
    world: World,
    process: Arc<Process>,
    crew: Crew,
    workers: Workers,
    oracle: Arc<Mutex<Oracle>>,
    watch: Watch,
}

impl Args {
    pub(crate) fn run(&self) -> Result<()> {
        let seed = self.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let mut report = Report::new(seed, self.minutes);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let outcome = runtime.block_on(async {
            let ground = Ground::new()?;
            let outcome = tokio::select! {
                outcome = self.soak(seed, &ground, &mut report) => outcome,
                outcome = interrupted() => outcome,
            };
            // Whatever happened, nothing stays behind.
            let cleared = ground.clear().await;
            outcome.and(cleared)
        });
        runtime.shutdown_background();
        let replay = format!("replay with: cargo xtask soak --minutes {} --seed {seed}", self.minutes);
        let outcome = outcome.map_err(|error| anyhow!("{error:#}\n{replay}"));
        report.finish(&outcome, self.json, self.report.as_deref())?;
        outcome
    }

    async fn soak(&self, seed: u64, ground: &Ground, report: &mut Report) -> Result<()> {
        anstream::eprintln!(
            "soak: {} min with seed {seed}; starting PostgreSQL and the embedding service",
            self.minutes
        );
        let world = World::start(ground).await?;
        let oracle = Arc::new(Mutex::new(Oracle::new(ground.ledger())?));
        let sink = Sink::Oracle(Arc::clone(&oracle));
        let process = Arc::new(Process::open("soak-here", &world.places).await?);
        let mut workers = Workers::start(WORKERS, &world.places, &oracle, seed)?;
        let crew = Crew::start(&process, AGENTS, &sink, seed);
        workers.wait("start", |worker| worker.is_ready).await?;
        let watch = Watch::start(&oracle, workers.long_lived().context("the long-lived worker")?)?;
        let mut soak = Soak { world, process, crew, workers, oracle, watch };
        soak.rage(seed, Duration::from_secs(self.minutes * 60), report).await?;
        soak.settle(&sink, report).await
    }
}

impl Soak {
    fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fault after fault, each followed by proof that everything works again; ends early when something is wrong.
    async fn rage(&mut self, seed: u64, time: Duration, report: &mut Report) -> Result<()> {
        let began = Instant::now();
        tokio::time::sleep(CALM).await;
        for (number, step) in Schedule::new(seed).enumerate() {
            tokio::time::sleep(step.calm).await;
            self.workers.look_after();
            if began.elapsed() >= time || !self.oracle().violations().is_empty() {
                break;
            }
            let at = began.elapsed();
            for fault in &step.faults {
                anstream::eprintln!("{:>6.1} s  {fault}", at.as_secs_f64());
            }
            self.suffer(&step.faults).await?;
            let recovery = probe::recovered(&self.process, number).await;
            report.suffered(at, &step.faults, recovery.as_ref().ok().copied());
            if let Err(error) = recovery {
                self.oracle().violation(format!("{error:#}"));
            }
        }
        tokio::time::sleep(CALM).await;
        report.lasted(began.elapsed());
        Ok(())
    }

    /// Everybody stops; then everything is compared with what was promised.
    async fn settle(mut self, sink: &Sink, report: &mut Report) -> Result<()> {
        let outcome = checks::all(&mut self, sink, report).await;
        let oracle = self.oracle();
        report.tallied(&oracle);
        let violations = oracle.violations();
        match (violations, outcome) {
            ([], outcome) => outcome,
            (violations, outcome) => {
                let also = outcome.err().map(|error| format!("{error:#}"));
                let all: Vec<String> = violations.iter().cloned().chain(also).collect();
                bail!("{} things went wrong:\n- {}", all.len(), all.join("\n- "))
            }
        }
    }
}

/// ^C, or whoever ends programs politely.
async fn interrupted() -> Result<()> {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome?,
        _ = terminated.recv() => {}
    }
    bail!("interrupted")
}

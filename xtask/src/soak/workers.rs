//! The worker processes, as the soak sees them.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::event::Event;
use super::oracle::{self, Oracle};
use super::process::Places;
use super::worker;

/// One that is never killed, so that its memory can be looked at over all the time.
const LONG_LIVED: usize = 0;
const PATIENCE: Duration = Duration::from_mins(3);

pub(super) struct Workers {
    places: Places,
    oracle: Arc<Mutex<Oracle>>,
    seed: u64,
    /// Workers so far: each has a name of its own.
    born: u64,
    all: Vec<Running>,
}

struct Running {
    name: String,
    child: Child,
    orders: ChildStdin,
    listening: JoinHandle<()>,
}

impl Workers {
    pub(super) fn start(
        count: usize,
        places: &Places,
        oracle: &Arc<Mutex<Oracle>>,
        seed: u64,
    ) -> Result<Self> {
        let mut workers =
            Self { places: places.clone(), oracle: Arc::clone(oracle), seed, born: 0, all: Vec::new() };
        for _ in 0..count {
            let worker = workers.bear()?;
            workers.all.push(worker);
        }
        Ok(workers)
    }

    fn bear(&mut self) -> Result<Running> {
        let name = format!("soak-worker-{}", self.born);
        self.born += 1;
        let seed = self.seed.wrapping_add(self.born << 16);
        let mut child = Command::new(std::env::current_exe()?)
            .args([worker::COMMAND, "--name", &name, "--seed", &seed.to_string()])
            .env(worker::DATABASE, self.places.database.expose())
            .env(worker::EMBEDDER, &self.places.embedder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A worker's session of its own would outlive ^C; in ours, ^C reaches it as well.
            .kill_on_drop(true)
            .spawn()
            .context("start a worker")?;
        let orders = child.stdin.take().context("a worker's input")?;
        let output = child.stdout.take().context("a worker's output")?;
        let (oracle, source) = (Arc::clone(&self.oracle), name.clone());
        let listening = tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut oracle = oracle.lock().unwrap_or_else(PoisonError::into_inner);
                match serde_json::from_str::<Event>(&line) {
                    Ok(event) => oracle.hear(&source, event),
                    Err(error) => oracle.violation(format!("{source} says {line:?}: {error}")),
                }
            }
        });
        Ok(Running { name, child, orders, listening })
    }

    /// Kills one of those that may be killed, and starts another in its place.
    pub(super) async fn kill_one(&mut self, draw: u64) -> Result<()> {
        let mortal = self.all.len() - 1;
        ensure!(mortal > 0, "no worker may be killed");
        let place = 1 + LONG_LIVED + usize::try_from(draw % mortal as u64)?;
        let next = self.bear()?;
        let mut victim = std::mem::replace(&mut self.all[place], next);
        victim.child.kill().await.context("kill a worker")?;
        // What it said before is heard to the end.
        victim.listening.await?;
        lock(&self.oracle).workers.remove(&victim.name);
        Ok(())
    }

    /// A worker that ended by itself is a violation.
    pub(super) fn look_after(&mut self) {
        for worker in &mut self.all {
            if let Ok(Some(status)) = worker.child.try_wait() {
                lock(&self.oracle).violation(format!("{} ended by itself: {status}", worker.name));
            }
        }
    }

    pub(super) fn long_lived(&self) -> Option<u32> {
        self.all.get(LONG_LIVED).and_then(|worker| worker.child.id())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.all.iter().map(|worker| worker.name.clone()).collect()
    }

    /// Gives an order to all and waits until `done` holds of each.
    pub(super) async fn order(&mut self, order: &str, done: impl Fn(&oracle::Worker) -> bool) -> Result<()> {
        for worker in &mut self.all {
            worker
                .orders
                .write_all(format!("{order}\n").as_bytes())
                .await
                .with_context(|| format!("order {} to {order}", worker.name))?;
        }
        self.wait(order, done).await
    }

    /// Waits until `done` holds of each, or something is wrong already.
    pub(super) async fn wait(&mut self, what: &str, done: impl Fn(&oracle::Worker) -> bool) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            self.look_after();
            {
                let oracle = lock(&self.oracle);
                let missing =
                    self.all.iter().find(|worker| !oracle.workers.get(&worker.name).is_some_and(&done));
                let Some(missing) = missing else { return Ok(()) };
                ensure!(oracle.violations().is_empty(), "{} did not {what}", missing.name);
                ensure!(Instant::now() < until, "{} did not {what} within {PATIENCE:?}", missing.name);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets all end, and waits for it.
    pub(super) async fn end(&mut self) -> Result<()> {
        for mut worker in self.all.drain(..) {
            worker.orders.write_all(b"end\n").await.ok();
            drop(worker.orders);
            let status = tokio::time::timeout(PATIENCE, worker.child.wait())
                .await
                .with_context(|| format!("{} does not end", worker.name))??;
            ensure!(status.success(), "{} ended with {status}", worker.name);
            worker.listening.await?;
        }
        Ok(())
    }
}

fn lock(oracle: &Arc<Mutex<Oracle>>) -> std::sync::MutexGuard<'_, Oracle> {
    oracle.lock().unwrap_or_else(PoisonError::into_inner)
}

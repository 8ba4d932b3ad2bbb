//! What operations take, measured and written down beside the work.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use agent_turbo_db::Database;
use agent_turbo_metrics::{Measured, Operation, Recorder};
use agent_turbo_orchestrator::Orchestrator;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// What is measured: spans by their names, and those that memory answered apart from the others.
const OPERATIONS: [Operation; 17] = [
    Operation::new("db.client"),
    Operation::new("embed.batch"),
    Operation::with_apart("embed.embed", "remembered", "embed.embed.cached"),
    Operation::new("knowledge.add"),
    Operation::new("knowledge.add_batch"),
    Operation::with_apart("knowledge.query", "cached", "knowledge.query.cached"),
    Operation::new("orchestrator.claim_tasks"),
    Operation::new("orchestrator.complete_task"),
    Operation::new("orchestrator.complete_tasks"),
    Operation::new("orchestrator.create_graph"),
    Operation::new("orchestrator.create_task"),
    Operation::new("orchestrator.fail_task"),
    Operation::with_apart(
        "orchestrator.get_cached_landing_context",
        "in_memory",
        "orchestrator.get_cached_landing_context.cached",
    ),
    Operation::new("orchestrator.heartbeat_task"),
    Operation::new("orchestrator.initialize_agent_session"),
    Operation::new("orchestrator.log_agent_action"),
    Operation::new("orchestrator.log_agent_actions"),
];
/// The kind of process that this is.
const PROCESS: &str = "cli";
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// For writing in the background.
const PATIENCE: Duration = Duration::from_secs(5);
/// What writing at the end may keep a command from ending.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Writes what is measured, for as long as a command runs. What cannot be written is lost.
pub(crate) struct Metering {
    recorder: Arc<Recorder>,
    database: Arc<OnceLock<Database>>,
    background: JoinHandle<()>,
    has_written: Arc<AtomicBool>,
    one_of: u64,
}

pub(crate) fn recorder() -> Arc<Recorder> {
    Arc::new(Recorder::new(&OPERATIONS))
}

impl Metering {
    /// Into the database that the command will open. Of commands that end at once, one of `one_of` is written down, and
    /// counts for all of them: writing takes some milliseconds, which people would wait for.
    pub(crate) fn start(recorder: Arc<Recorder>, database: Arc<OnceLock<Database>>, one_of: u64) -> Self {
        let has_written = Arc::new(AtomicBool::new(false));
        let (measured, opened, written) = (recorder.clone(), database.clone(), has_written.clone());
        let background = tokio::spawn(async move {
            loop {
                sleep(WRITE_EVERY).await;
                written.store(true, Ordering::Relaxed);
                write(&opened, measured.drain(), PATIENCE).await;
            }
        });
        Self { recorder, database, background, has_written, one_of: one_of.max(1) }
    }

    /// Writes what is left, if that is possible at once.
    pub(crate) async fn finish(self) {
        self.background.abort();
        let mut measured = self.recorder.drain();
        if !self.has_written.load(Ordering::Relaxed) {
            // The keys of a hash map are the standard library's source of chance.
            if !RandomState::new().hash_one(()).is_multiple_of(self.one_of) {
                return;
            }
            for Measured { histogram, .. } in &mut measured {
                *histogram = histogram.times(self.one_of);
            }
        }
        write(&self.database, measured, LAST_WORDS).await;
    }
}

async fn write(database: &OnceLock<Database>, measured: Vec<Measured>, patience: Duration) {
    // Without a database nothing was done that would be worth a connection now.
    let Some(database) = database.get() else { return };
    let orchestrator = Orchestrator::new(database.clone());
    match timeout(patience, orchestrator.record_performance(PROCESS, &measured)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "metering.lost"),
        Err(_) => tracing::debug!("metering.late"),
    }
}

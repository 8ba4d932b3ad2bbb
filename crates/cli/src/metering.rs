//! What operations take, measured and written down beside the work.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use agent_turbo_db::Database;
use agent_turbo_metrics::{Operation, Recorder};
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
}

pub(crate) fn recorder() -> Arc<Recorder> {
    Arc::new(Recorder::new(&OPERATIONS))
}

impl Metering {
    /// Into the database that the command will open.
    pub(crate) fn start(recorder: Arc<Recorder>, database: Arc<OnceLock<Database>>) -> Self {
        let (measured, opened) = (Arc::clone(&recorder), Arc::clone(&database));
        let background = tokio::spawn(async move {
            loop {
                sleep(WRITE_EVERY).await;
                write(&measured, &opened, PATIENCE).await;
            }
        });
        Self { recorder, database, background }
    }

    /// Writes what is left, if that is possible at once.
    pub(crate) async fn finish(self) {
        self.background.abort();
        write(&self.recorder, &self.database, LAST_WORDS).await;
    }
}

async fn write(recorder: &Recorder, database: &OnceLock<Database>, patience: Duration) {
    // Without a database nothing was done that would be worth a connection now.
    let Some(database) = database.get() else { return };
    let measured = recorder.drain();
    let orchestrator = Orchestrator::new(database.clone());
    match timeout(patience, orchestrator.record_performance(PROCESS, &measured)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "metering.lost"),
        Err(_) => tracing::debug!("metering.late"),
    }
}

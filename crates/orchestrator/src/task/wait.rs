use std::sync::OnceLock;
use std::time::Duration;

use agent_turbo_db::{Database, Event, Listener};
use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::task::{Claimant, ClaimedTask};
use crate::{Orchestrator, Result};

/// Without any notification the queue is looked at this often: notifications can be lost.
const POLL: Duration = Duration::from_secs(1);
/// How long tasks are announced for one who waits. He says so again long before.
const WATCH: Duration = Duration::from_secs(30);
const WATCH_AGAIN: Duration = Duration::from_secs(10);
/// Who has just begun to wait looks again so soon: what was being committed then was not announced.
const SECOND_LOOK: Duration = Duration::from_millis(20);
/// Announcements that a slow waiter may leave unread; beyond it he just looks.
const BACKLOG: usize = 256;

/// Hears where tasks became ready, for everybody in this process who waits for one. Listens from the first wait on.
#[derive(Debug, Default)]
pub(crate) struct ReadyTasks(OnceLock<(Listener, broadcast::Sender<Ready>)>);

#[derive(Debug, Clone)]
enum Ready {
    /// A task of this project, for this role ('' is any).
    Here { project: String, role: String },
    /// Something may have been missed.
    Somewhere,
}

impl ReadyTasks {
    fn subscribe(&self, db: &Database) -> broadcast::Receiver<Ready> {
        let (_, sender) = self.0.get_or_init(|| {
            let (sender, _) = broadcast::channel(BACKLOG);
            let announce = sender.clone();
            let listener = db.listen(&["agent_turbo_tasks"], move |event| {
                let ready = match event {
                    Event::Notification { payload, .. } => serde_json::from_str(&payload)
                        .map_or(Ready::Somewhere, |(project, role)| Ready::Here { project, role }),
                    Event::Live | Event::Lost => Ready::Somewhere,
                };
                // Nobody waits: nobody needs to know.
                let _ = announce.send(ready);
            });
            (listener, sender)
        });
        sender.subscribe()
    }
}

impl Orchestrator {
    /// Claims a task as soon as there is one, within `timeout`.
    ///
    /// It is woken by notifications, by the time at which a waiting task becomes due, and by a look every second, which
    /// is what remains when notifications are lost.
    pub async fn wait_for_task(
        &self,
        claimant: &Claimant,
        lease: Duration,
        timeout: Duration,
    ) -> Result<Option<ClaimedTask>> {
        self.wait_for_task_unless(claimant, lease, timeout, std::future::pending::<()>()).await
    }

    /// The same, unless `enough` comes first. It is heard between two looks only, so that no claim is broken off whose
    /// answer nobody would get.
    #[tracing::instrument(name = "orchestrator.wait_for_task", skip_all, fields(role = claimant.role))]
    pub async fn wait_for_task_unless<T>(
        &self,
        claimant: &Claimant,
        lease: Duration,
        timeout: Duration,
        enough: impl Future<Output = T>,
    ) -> Result<Option<ClaimedTask>> {
        let mut enough = std::pin::pin!(enough);
        let end = Instant::now() + timeout;
        // Before the first look, so that nothing is missed after it.
        let mut ready = self.ready.subscribe(&self.db);
        let mut watched: Option<Instant> = None;
        loop {
            let mut look = self.look(claimant, 1, lease, None).await?;
            if let Some(claimed) = look.claimed.pop() {
                return Ok(Some(claimed));
            }
            let now = Instant::now();
            if now >= end {
                return Ok(None);
            }
            let mut pause = pause(look.next_wake);
            if watched.is_none_or(|since| since.elapsed() >= WATCH_AGAIN) {
                self.watch_for_tasks().await?;
                watched = Some(now);
                pause = pause.min(SECOND_LOOK);
            }
            let until = (now + pause).min(end);
            tokio::select! {
                biased;
                _ = &mut enough => return Ok(None),
                _ = tokio::time::timeout_at(until, heard(&mut ready, claimant)) => {}
            }
        }
    }
}

impl Orchestrator {
    /// Has tasks announced for a while.
    async fn watch_for_tasks(&self) -> Result<()> {
        self.db
            .query_opt(
                "watch_for_tasks",
                "-- watch_for_tasks
                 SELECT setval('ready_watch', greatest(last_value,
                                   extract(epoch FROM clock_timestamp())::bigint + $1)) FROM ready_watch",
                &[&(WATCH.as_secs() as i64)],
            )
            .await?;
        Ok(())
    }
}

/// Until the next look: sooner when a task becomes due sooner, but never without a breath.
fn pause(next_wake: Option<Timestamp>) -> Duration {
    let due = next_wake.and_then(|at| Duration::try_from(at.duration_since(Timestamp::now())).ok());
    due.unwrap_or(POLL).clamp(Duration::from_millis(10), POLL)
}

/// Returns when there may be something for `claimant`.
async fn heard(ready: &mut broadcast::Receiver<Ready>, claimant: &Claimant) {
    loop {
        match ready.recv().await {
            Ok(Ready::Here { project, role }) => {
                if project == claimant.project && (role.is_empty() || role == claimant.role) {
                    return;
                }
            }
            Ok(Ready::Somewhere) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            // The sender lives as long as the orchestrator.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

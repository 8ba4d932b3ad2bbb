//! What happens to sessions and tasks, told to whoever watches.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use agent_turbo_db::{Database, Event, Listener};
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::{Orchestrator, Result};

/// How long changes are announced for one who watches. He says so again long before.
const WATCH: Duration = Duration::from_secs(30);
const WATCH_AGAIN: Duration = Duration::from_secs(10);
/// Changes that a slow watcher may leave unread.
const BACKLOG: usize = 1024;

/// Something that happened to a session or a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its project.
    pub project: String,
    /// What happened: the type of its action in the audit trail, such as `task_claimed`.
    pub change: String,
    /// The session that it happened to, or that did it.
    pub session_id: Option<String>,
    /// The task that it happened to.
    pub task_id: Option<String>,
}

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Whatever is begun from now on, he will be told.
    Live,
    /// Something happened.
    Changed(Change),
    /// Something may have happened that he was not told.
    Lost,
}

/// Hears what happens, for everybody in this process who watches. Listens from the first watcher on.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    heard: OnceLock<(Listener, broadcast::Sender<Told>)>,
    watched: Mutex<Option<Instant>>,
}

/// What happens from its first [`Told::Live`] on, until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    orchestrator: Orchestrator,
    told: broadcast::Receiver<Told>,
    is_first: bool,
}

impl Changes {
    fn subscribe(&self, db: &Database) -> broadcast::Receiver<Told> {
        let (_, sender) = self.heard.get_or_init(|| {
            let (sender, _) = broadcast::channel(BACKLOG);
            let announce = sender.clone();
            let listener = db.listen(&["agent_turbo_changes"], move |event| {
                let told = match event {
                    Event::Notification { payload, .. } => match change(&payload) {
                        Some(told) => told,
                        None => return,
                    },
                    Event::Live => Told::Live,
                    Event::Lost => Told::Lost,
                };
                // Nobody watches: nobody needs to know.
                let _ = announce.send(told);
            });
            (listener, sender)
        });
        sender.subscribe()
    }

    fn is_live(&self) -> bool {
        self.heard.get().is_some_and(|(listener, _)| listener.is_live())
    }
}

/// Changes of sessions and tasks; other actions are nobody's news. What cannot be read may have been one.
fn change(payload: &str) -> Option<Told> {
    let Ok((project, change, session_id, task_id)) =
        serde_json::from_str::<(String, String, Option<String>, Option<String>)>(payload)
    else {
        return Some(Told::Lost);
    };
    let is_one = change.starts_with("session_") && session_id.is_some()
        || change.starts_with("task_") && task_id.is_some();
    is_one.then_some(Told::Changed(Change { project, change, session_id, task_id }))
}

impl Orchestrator {
    /// Tells what happens to sessions and tasks from now on.
    pub fn watch_changes(&self) -> Watcher {
        Watcher { told: self.changes.subscribe(&self.db), orchestrator: self.clone(), is_first: true }
    }

    /// Has changes announced for a while, unless that was said lately.
    async fn watch_for_changes(&self) -> Result<()> {
        let now = Instant::now();
        {
            let mut watched = self.changes.watched.lock().unwrap_or_else(PoisonError::into_inner);
            if watched.is_some_and(|since| now.duration_since(since) < WATCH_AGAIN) {
                return Ok(());
            }
            *watched = Some(now);
        }
        let armed = self
            .db
            .query_opt(
                "watch_for_changes",
                "-- watch_for_changes
                 SELECT setval('change_watch', greatest(last_value,
                                   extract(epoch FROM clock_timestamp())::bigint + $1)) FROM change_watch",
                &[&(WATCH.as_secs() as i64)],
            )
            .await;
        if let Err(error) = armed {
            *self.changes.watched.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return Err(error.into());
        }
        Ok(())
    }
}

impl Watcher {
    /// The next thing to be told. May be given up and asked again.
    pub async fn next(&mut self) -> Told {
        loop {
            if let Err(error) = self.orchestrator.watch_for_changes().await {
                tracing::debug!(%error, "orchestrator.watch_for_changes");
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.is_first = false;
                return Told::Lost;
            }
            // The listener may have begun long before this watcher.
            if self.is_first && self.orchestrator.changes.is_live() {
                self.is_first = false;
                return Told::Live;
            }
            let again = tokio::time::timeout(WATCH_AGAIN, self.told.recv()).await;
            match again {
                Ok(Ok(Told::Live)) => {
                    self.is_first = false;
                    return Told::Live;
                }
                Ok(Ok(told)) => return told,
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => return Told::Lost,
                // The sender lives as long as the orchestrator.
                Ok(Err(broadcast::error::RecvError::Closed)) => std::future::pending().await,
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Told, change};

    #[test]
    fn changes_of_sessions_and_tasks_are_told_and_other_actions_are_not() {
        assert!(matches!(change(r#"["p","task_claimed",null,"t"]"#), Some(Told::Changed(_))));
        assert!(matches!(change(r#"["p","session_started","s",null]"#), Some(Told::Changed(_))));
        assert_eq!(change(r#"["p","file_edit","s","t"]"#), None);
        assert_eq!(change(r#"["p","task_notes","s",null]"#), None);
        for unreadable in ["", "[]", "{}", r#"["p"]"#] {
            assert_eq!(change(unreadable), Some(Told::Lost));
        }
    }
}

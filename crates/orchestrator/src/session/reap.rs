use std::time::Duration;

use agent_turbo_db::{self as db, RowExt};
use serde::Serialize;

use super::end::{finish, lock_held_tasks};
use super::{EndedSession, SessionStatus};
use crate::ids::SessionId;
use crate::{Orchestrator, Result};

/// Sessions that one call makes idle, and that it fails, at the most: the next call goes on.
const MAX_REAPED: i64 = 500;

/// How long a session may be silent. Both count from its last sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SilenceLimits {
    /// Then it is idle. Default 15 minutes.
    pub idle_after: Duration,
    /// Then it has failed, if it is idle already. Default 2 hours.
    pub fail_after: Duration,
}

impl Default for SilenceLimits {
    fn default() -> Self {
        Self { idle_after: Duration::from_mins(15), fail_after: Duration::from_hours(2) }
    }
}

/// What became of silent sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ReapedSessions {
    /// Sessions that are idle now.
    pub idle: usize,
    /// Sessions that have failed now.
    pub failed: usize,
    /// Tasks that these held, back in the queue.
    pub released_tasks: usize,
}

/// Whether `s` may be silent: whoever holds a task under a lease that still runs isn't.
macro_rules! silent {
    ($status:literal) => {
        concat!(
            "s.status = '",
            $status,
            "' AND s.last_active < now() - make_interval(secs => $1)
             AND NOT EXISTS (
                 SELECT FROM agent_tasks t
                 WHERE t.lease_session_id = s.session_id AND t.status = 'in_progress' AND t.lease_expires_at > now())"
        )
    };
}

impl Orchestrator {
    /// Looks after sessions that nobody heard of: the active become idle, and the idle fail and lose their tasks. One
    /// step for each session in one call, for at most 500 of each kind, longest silent first.
    ///
    /// Several may call it at once.
    #[tracing::instrument(name = "orchestrator.reap_sessions", skip_all)]
    pub async fn reap_sessions(&self, limits: SilenceLimits) -> Result<ReapedSessions> {
        let mut reaped = ReapedSessions::default();
        for session in self.silent_sessions(limits.fail_after).await? {
            if let Some(ended) = self.fail_silent_session(&session, limits.fail_after).await? {
                reaped.failed += 1;
                reaped.released_tasks += ended.released_tasks.len();
            }
        }
        reaped.idle = self.idle_silent_sessions(limits.idle_after).await?;
        Ok(reaped)
    }

    async fn silent_sessions(&self, fail_after: Duration) -> Result<Vec<SessionId>> {
        let rows = self
            .db
            .query(
                "silent_sessions",
                concat!(
                    "-- silent_sessions
                     SELECT s.session_id FROM agent_sessions s WHERE ",
                    silent!("idle"),
                    " ORDER BY s.last_active LIMIT $2"
                ),
                &[&fail_after.as_secs_f64(), &MAX_REAPED],
            )
            .await?;
        Ok(rows
            .iter()
            .map(|row| row.column("session_id").map(SessionId::stored))
            .collect::<db::Result<_>>()?)
    }

    /// `None` when it is silent no longer, or somebody else is at it. Its own transaction, so that only one chain of the
    /// audit trail is locked at a time.
    async fn fail_silent_session(
        &self,
        session: &SessionId,
        fail_after: Duration,
    ) -> Result<Option<EndedSession>> {
        self.changing()
            .run_tx("fail_silent_session", async |tx| {
                let row = tx
                    .row(
                        "lock_silent_session",
                        concat!(
                            "-- lock_silent_session
                             SELECT FROM agent_sessions s WHERE s.session_id = $2 AND ",
                            silent!("idle"),
                            " FOR NO KEY UPDATE SKIP LOCKED"
                        ),
                        &[&fail_after.as_secs_f64(), &session.as_str()],
                    )
                    .await?;
                // A heartbeat may have come for one of its tasks meanwhile.
                if row.is_none() || lock_held_tasks(&tx, session).await? {
                    return Ok(None);
                }
                let reason = format!("silent for {} s", fail_after.as_secs());
                finish(&tx, session, SessionStatus::Failed, Some(&reason)).await.map(Some)
            })
            .await
    }

    async fn idle_silent_sessions(&self, idle_after: Duration) -> Result<usize> {
        let changed = self
            .db
            .execute(
                "idle_silent_sessions",
                concat!(
                    "-- idle_silent_sessions
                     WITH silent AS (
                         SELECT s.session_id FROM agent_sessions s WHERE ",
                    silent!("active"),
                    "    ORDER BY s.last_active LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
                     UPDATE agent_sessions s SET status = 'idle' FROM silent WHERE s.session_id = silent.session_id"
                ),
                &[&idle_after.as_secs_f64(), &MAX_REAPED],
            )
            .await?;
        Ok(changed as usize)
    }
}

use agent_turbo_db::{self as db, RowExt, Transaction};
use serde::Serialize;

use super::{Session, SessionStatus, session_columns};
use crate::ids::{SessionId, TaskId};
use crate::name::check_text;
use crate::{Error, Orchestrator, Result};

const MAX_REASON_BYTES: usize = 10_000;

/// A session that is over, and the tasks that it still held.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndedSession {
    /// The session.
    pub session: Session,
    /// Its tasks, which are back in the queue now.
    pub released_tasks: Vec<TaskId>,
}

impl Orchestrator {
    /// Ends a session well; the tasks that it holds go back to the queue. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::SessionEnded`] when it failed, [`Error::UnknownSession`] when there is none.
    #[tracing::instrument(name = "orchestrator.complete_session", skip_all, fields(%session))]
    pub async fn complete_session(&self, session: &SessionId) -> Result<EndedSession> {
        self.end_session(session, SessionStatus::Completed, None).await
    }

    /// Ends a session that went wrong; the tasks that it holds go back to the queue. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::SessionEnded`] when it was completed, [`Error::UnknownSession`] when there is none.
    #[tracing::instrument(name = "orchestrator.fail_session", skip_all, fields(%session))]
    pub async fn fail_session(&self, session: &SessionId, reason: &str) -> Result<EndedSession> {
        check_text("the reason", reason, MAX_REASON_BYTES)?;
        self.end_session(session, SessionStatus::Failed, Some(&agent_turbo_redact::redact(reason).text)).await
    }

    async fn end_session(
        &self,
        session: &SessionId,
        status: SessionStatus,
        reason: Option<&str>,
    ) -> Result<EndedSession> {
        let end = async || {
            self.changing().run_tx("end_session", async |tx| end_in(&tx, session, status, reason).await).await
        };
        match end().await {
            // What it would have done is done, or is done now.
            Err(Error::Database(db::Error::CommitUnknown { .. })) => end().await,
            outcome => outcome,
        }
    }
}

async fn end_in(
    tx: &Transaction,
    session: &SessionId,
    status: SessionStatus,
    reason: Option<&str>,
) -> Result<EndedSession> {
    let row = tx
        .row(
            "lock_session",
            concat!(
                "-- lock_session
                 SELECT ",
                session_columns!(),
                " FROM agent_sessions s WHERE s.session_id = $1 FOR NO KEY UPDATE"
            ),
            &[&session.as_str()],
        )
        .await?
        .ok_or_else(|| Error::UnknownSession(session.clone()))?;
    let stored = Session::from_row(&row)?;
    if stored.status == status {
        return Ok(EndedSession { session: stored, released_tasks: Vec::new() });
    }
    if stored.status.is_ended() {
        return Err(Error::SessionEnded { session: session.clone(), status: stored.status.to_string() });
    }
    lock_held_tasks(tx, session).await?;
    finish(tx, session, status, reason).await
}

/// Locks what the session holds, and says whether any of it is under a lease that still runs. Tasks before chains of the
/// audit trail, and in the order of their ids: as everybody does it.
pub(super) async fn lock_held_tasks(tx: &Transaction, session: &SessionId) -> Result<bool> {
    let rows = tx
        .rows(
            "lock_held_tasks",
            "-- lock_held_tasks
             SELECT coalesce(lease_expires_at > clock_timestamp(), false) AS is_live FROM agent_tasks
             WHERE lease_session_id = $1 AND status = 'in_progress'
             ORDER BY task_id FOR UPDATE",
            &[&session.as_str()],
        )
        .await?;
    let live = rows.iter().map(|row| row.column::<bool>("is_live")).collect::<db::Result<Vec<_>>>()?;
    Ok(live.contains(&true))
}

/// Ends a session that is locked, and so are its tasks.
pub(super) async fn finish(
    tx: &Transaction,
    session: &SessionId,
    status: SessionStatus,
    reason: Option<&str>,
) -> Result<EndedSession> {
    tx.row(
        "explain_end",
        "-- explain_end
         SELECT set_config('agent_turbo.session', $1, true), set_config('agent_turbo.reason', coalesce($2, ''), true)",
        &[&session.as_str(), &reason],
    )
    .await?;
    let released = tx
        .rows(
            "release_held_tasks",
            "-- release_held_tasks
             UPDATE agent_tasks
             SET status = 'pending', presented_token = lease_token, status_reason = 'its session ended'
             WHERE lease_session_id = $1 AND status = 'in_progress'
             RETURNING task_id",
            &[&session.as_str()],
        )
        .await?;
    let row = tx
        .row(
            "end_session",
            concat!(
                "-- end_session
                 UPDATE agent_sessions s SET status = $2 WHERE s.session_id = $1 RETURNING ",
                session_columns!()
            ),
            &[&session.as_str(), &status.as_str()],
        )
        .await?
        .ok_or_else(|| Error::UnknownSession(session.clone()))?;
    Ok(EndedSession {
        session: Session::from_row(&row)?,
        released_tasks: released
            .iter()
            .map(|row| row.column("task_id").map(TaskId::stored))
            .collect::<db::Result<_>>()?,
    })
}

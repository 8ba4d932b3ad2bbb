use std::sync::Mutex;
use std::time::Duration;

use agent_turbo_db::{self as db, Client, RowExt};
use serde::Serialize;

use super::{Session, session_columns};
use crate::ids::SessionId;
use crate::{Error, Orchestrator, Result};

/// How often is asked what became of a commit whose answer was lost, and how long is waited between.
const MAX_ASKED: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// What a session has used since it last said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// Tokens, of input and output together.
    pub tokens_used: u32,
    /// Calls to the model's interface.
    pub api_calls: u32,
}

impl Orchestrator {
    /// A sign of life, with what was used since the last one; an idle session is active again.
    ///
    /// Usage is counted once, also when the connection breaks during the commit: the server is asked what became of it.
    ///
    /// # Errors
    /// [`Error::SessionEnded`] when it is over, [`Error::UnknownSession`] when there is none.
    #[tracing::instrument(name = "orchestrator.touch_session", skip_all, fields(%session))]
    pub async fn touch_session(&self, session: &SessionId, usage: Usage) -> Result<Session> {
        if usage == Usage::default() {
            // Nothing is counted, so it may happen twice.
            let touched = self.db.run("touch_session", async |client| touch(&client, session, usage).await);
            return match touched.await? {
                Some((session, _)) => Ok(session),
                None => Err(self.not_alive(session).await),
            };
        }
        let touched = Mutex::new(None);
        loop {
            let outcome: Result<()> = self
                .db
                .run_tx("touch_session", async |tx| {
                    let row = touch(&tx, session, usage).await?;
                    *touched.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = row;
                    Ok(())
                })
                .await;
            let row = touched.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            match (outcome, row) {
                (Ok(()), Some((session, _))) => return Ok(session),
                (Ok(()), None) => return Err(self.not_alive(session).await),
                (
                    Err(error @ Error::Database(db::Error::CommitUnknown { .. })),
                    Some((session, transaction)),
                ) => {
                    if self.was_committed(&transaction).await?.ok_or(error)? {
                        return Ok(session);
                    }
                }
                (Err(error), _) => return Err(error),
            }
        }
    }

    /// What became of a transaction; `None` when that cannot be learnt.
    async fn was_committed(&self, transaction: &str) -> Result<Option<bool>> {
        for _ in 0..MAX_ASKED {
            let row = self
                .db
                .query_opt(
                    "was_committed",
                    "-- was_committed
                     SELECT pg_xact_status($1::text::xid8) AS status",
                    &[&transaction],
                )
                .await?;
            match row.map(|row| row.column::<Option<String>>("status")).transpose()?.flatten().as_deref() {
                Some("committed") => return Ok(Some(true)),
                Some("aborted") => return Ok(Some(false)),
                Some("in progress") => tokio::time::sleep(PAUSE).await,
                _ => break,
            }
        }
        Ok(None)
    }

    /// Why nothing was found that could be changed.
    pub(super) async fn not_alive(&self, session: &SessionId) -> Error {
        match self.get_session(session).await {
            Ok(Some(stored)) => {
                Error::SessionEnded { session: session.clone(), status: stored.status.to_string() }
            }
            Ok(None) => Error::UnknownSession(session.clone()),
            Err(error) => error,
        }
    }
}

/// The session and the transaction that changed it.
async fn touch(client: &Client, session: &SessionId, usage: Usage) -> Result<Option<(Session, String)>> {
    let row = client
        .row(
            "touch_session",
            concat!(
                "-- touch_session
                 UPDATE agent_sessions s
                 SET last_active = now(), status = 'active', tokens_used = s.tokens_used + $2,
                     api_calls = s.api_calls + $3
                 WHERE s.session_id = $1 AND s.status IN ('active', 'idle')
                 RETURNING pg_current_xact_id()::text AS transaction, ",
                session_columns!()
            ),
            &[&session.as_str(), &i64::from(usage.tokens_used), &i64::from(usage.api_calls)],
        )
        .await?;
    row.map(|row| Ok((Session::from_row(&row)?, row.column("transaction")?))).transpose()
}

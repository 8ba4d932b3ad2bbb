use agent_turbo_db::RowExt;
use serde_json::Value;

use super::{Session, session_columns};
use crate::ids::SessionId;
use crate::{Orchestrator, Result};

impl Orchestrator {
    /// The session, if there is one.
    #[tracing::instrument(name = "orchestrator.get_session", skip_all, fields(%session))]
    pub async fn get_session(&self, session: &SessionId) -> Result<Option<Session>> {
        let row = self
            .db
            .query_opt(
                "get_session",
                concat!(
                    "-- get_session\nSELECT ",
                    session_columns!(),
                    " FROM agent_sessions s WHERE s.session_id = $1"
                ),
                &[&session.as_str()],
            )
            .await?;
        Ok(row.as_ref().map(Session::from_row).transpose()?)
    }

    /// The landing context that the session was given when it last began; `None` where there is no such session, or
    /// another program gave it none.
    #[tracing::instrument(name = "orchestrator.session_landing_context", skip_all, fields(%session))]
    pub async fn session_landing_context(&self, session: &SessionId) -> Result<Option<Value>> {
        let row = self
            .db
            .query_opt(
                "session_landing_context",
                "-- session_landing_context
                 SELECT landing_context FROM agent_sessions WHERE session_id = $1",
                &[&session.as_str()],
            )
            .await?;
        Ok(row.map(|row| row.column("landing_context")).transpose()?.flatten())
    }
}

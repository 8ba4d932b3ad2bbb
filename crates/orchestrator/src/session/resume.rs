use super::{Session, StartedSession, session_columns};
use crate::context::ContextScope;
use crate::ids::SessionId;
use crate::{Error, Orchestrator, Result};

impl Orchestrator {
    /// Goes on with a session, whatever its state, under a fresh landing context, which its row keeps from now on.
    ///
    /// # Errors
    /// [`Error::UnknownSession`] when there is none.
    #[tracing::instrument(name = "orchestrator.resume_session", skip_all, fields(%session))]
    pub async fn resume_session(&self, session: &SessionId) -> Result<StartedSession> {
        let unknown = || Error::UnknownSession(session.clone());
        let stored = self.get_session(session).await?.ok_or_else(unknown)?;
        let scope = ContextScope {
            project: stored.project,
            role: Some(stored.agent_role),
            platform: Some(stored.agent_platform),
        };
        let _turn = self.starts.turn().await?;
        let context = self.get_cached_landing_context(&scope).await?;
        let row = self
            .db
            .query_opt(
                "resume_session",
                concat!(
                    "-- resume_session
                     UPDATE agent_sessions s
                     SET status = 'active', last_active = now(), landing_context = $2::text::jsonb
                     WHERE s.session_id = $1
                     RETURNING ",
                    session_columns!()
                ),
                &[&session.as_str(), &context.json()],
            )
            .await?
            .ok_or_else(unknown)?;
        Ok(StartedSession { session: Session::from_row(&row)?, context })
    }
}

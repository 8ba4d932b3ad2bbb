use agent_turbo_orchestrator::{SessionId, SessionSummary};

use crate::{Planner, Result};

impl Planner {
    /// What a session and those below it came to: tasks by state and role, time taken, tokens, audits.
    #[tracing::instrument(name = "planner.session_summary", skip_all, fields(%session))]
    pub async fn session_summary(&self, session: &SessionId) -> Result<SessionSummary> {
        Ok(self.orchestrator.session_summary(session).await?)
    }
}

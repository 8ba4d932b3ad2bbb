use agent_turbo_orchestrator::{NewSession, SessionId, StartedSession};

use crate::{Planner, Result};

/// The role of sessions that plan.
pub const PLANNER_ROLE: &str = "planner";

impl Planner {
    /// Starts a session that plans, on any platform, with its landing context.
    #[tracing::instrument(name = "planner.start_planning_session", skip_all, fields(platform))]
    pub async fn start_planning_session(
        &self,
        platform: &str,
        project: &str,
        parent: Option<&SessionId>,
    ) -> Result<StartedSession> {
        let new = NewSession {
            project: project.to_owned(),
            parent: parent.cloned(),
            ..NewSession::new(platform, PLANNER_ROLE)
        };
        Ok(self.orchestrator.initialize_agent_session(new).await?)
    }
}

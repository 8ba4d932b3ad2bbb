use agent_turbo_orchestrator::{Orchestrator, Session, SessionId, Usage};

use crate::Result;

/// Plans work for the sessions of one database. Clones share it.
#[derive(Debug, Clone)]
pub struct Planner {
    pub(crate) orchestrator: Orchestrator,
}

impl Planner {
    /// On top of an orchestrator; nothing is read or written here.
    pub fn new(orchestrator: Orchestrator) -> Self {
        Self { orchestrator }
    }

    /// What it works with.
    pub fn orchestrator(&self) -> &Orchestrator {
        &self.orchestrator
    }

    /// The session, which by this shows that it is at work; an ended one is refused.
    pub(crate) async fn at_work(&self, session: &SessionId) -> Result<Session> {
        Ok(self.orchestrator.touch_session(session, Usage::default()).await?)
    }
}

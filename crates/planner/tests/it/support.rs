use std::time::Duration;

use agent_turbo_orchestrator::{
    Claimant, ClaimedTask, NewSession, Orchestrator, SessionId, StartedSession, Task,
};
use agent_turbo_planner::Planner;
use agent_turbo_test_support::TestDatabase;
use serde_json::Value;

pub(crate) const LEASE: Duration = Duration::from_mins(1);

/// A planner on a database of the test's own.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    pub(crate) planner: Planner,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::migrated().await.unwrap();
        let db = database.connect(vec![]).await.unwrap();
        Self { database, planner: Planner::new(Orchestrator::new(db)) }
    }

    pub(crate) fn orchestrator(&self) -> &Orchestrator {
        self.planner.orchestrator()
    }

    /// A session that plans.
    pub(crate) async fn planning(&self) -> SessionId {
        self.started("planner").await.session.session_id
    }

    /// A session of any role, in the default project.
    pub(crate) async fn started(&self, role: &str) -> StartedSession {
        self.orchestrator().initialize_agent_session(NewSession::new("claude", role)).await.unwrap()
    }

    /// The best task for a session, claimed.
    pub(crate) async fn claim(&self, session: &SessionId) -> ClaimedTask {
        let claimant: Claimant = self.orchestrator().claimant(session).await.unwrap();
        self.orchestrator().claim_task(&claimant, LEASE).await.unwrap().expect("a task is ready")
    }

    /// The best task for a session, done.
    pub(crate) async fn work(&self, session: &SessionId, output: Value) -> Task {
        let claimed = self.claim(session).await;
        let orchestrator = self.orchestrator();
        orchestrator.complete_task(&claimed.task.task_id, claimed.lease.token, Some(output)).await.unwrap()
    }

    /// Rows of a table, counted from outside.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.database.client().await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
    }
}

use agent_turbo_orchestrator::Orchestrator;
use agent_turbo_test_support::TestDatabase;

/// An orchestrator on a database of the test's own.
pub(crate) async fn orchestrator() -> (TestDatabase, Orchestrator) {
    let database = TestDatabase::migrated().await.unwrap();
    let db = database.connect(vec![]).await.unwrap();
    (database, Orchestrator::new(db))
}

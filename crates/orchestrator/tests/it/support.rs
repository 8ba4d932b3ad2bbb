use std::time::Duration;

use agent_turbo_orchestrator::{
    Claimant, ClaimedTask, Dependency, NewTask, OnFailure, Orchestrator, Task, TaskId,
};
use agent_turbo_test_support::TestDatabase;

/// An orchestrator on a database of the test's own.
pub(crate) async fn orchestrator() -> (TestDatabase, Orchestrator) {
    let database = TestDatabase::migrated().await.unwrap();
    let db = database.connect(vec![]).await.unwrap();
    (database, Orchestrator::new(db))
}

/// Long enough for any test.
pub(crate) const LEASE: Duration = Duration::from_mins(1);

/// Somebody of this role, without a session, on no platform.
pub(crate) fn of_role(role: &str) -> Claimant {
    Claimant { session_id: None, project: "default".to_owned(), role: role.to_owned(), platform: None }
}

pub(crate) async fn create(orchestrator: &Orchestrator, new: NewTask) -> Task {
    orchestrator.create_task(new).await.unwrap().task
}

/// A task named by its description, after others.
pub(crate) fn task(description: &str, after: &[&Task]) -> NewTask {
    let depends_on = after
        .iter()
        .map(|before| Dependency { task_id: before.task_id.clone(), on_failure: OnFailure::Block })
        .collect();
    NewTask { depends_on, ..NewTask::new(description) }
}

/// The next task for an executor, which must be there.
pub(crate) async fn claim(orchestrator: &Orchestrator) -> ClaimedTask {
    orchestrator.claim_task(&of_role("executor"), LEASE).await.unwrap().unwrap()
}

/// Lets a lease end now, as time would.
pub(crate) async fn expire(client: &tokio_postgres::Client, task: &TaskId) {
    let changed = client
        .execute(
            "UPDATE agent_tasks SET lease_expires_at = now() - interval '1 second' WHERE task_id = $1",
            &[&task.as_str()],
        )
        .await
        .unwrap();
    assert_eq!(changed, 1);
}

/// What the audit trail says happened to a task, in order.
pub(crate) async fn trail(client: &tokio_postgres::Client, task: &TaskId) -> Vec<String> {
    let rows = client
        .query("SELECT action_type FROM agent_actions WHERE task_id = $1 ORDER BY id", &[&task.as_str()])
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

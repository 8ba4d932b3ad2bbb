//! What a session came to, against rows made by hand.

use std::collections::BTreeMap;

use agent_turbo_orchestrator::{Error as OrchestratorError, NewTask, SessionId, TaskStatus, Verdict};
use agent_turbo_planner::{Error, Reviews};
use serde_json::json;

use crate::support::Fixture;

/// A planner with a child and a grandchild, a circle of parents, and a stranger; tasks of all kinds.
const ROWS: &str = "
    INSERT INTO agent_sessions (session_id, agent_platform, agent_role, parent_session_id, tokens_used, api_calls, status,
                                created_at, completed_at) VALUES
        ('p', 'claude', 'planner', NULL, 100, 1, 'completed', '2026-01-01 10:00Z', '2026-01-01 11:00Z'),
        ('c', 'claude', 'executor', 'p', 20, 2, 'active', '2026-01-01 10:00Z', NULL),
        ('g', 'codex', 'executor', 'c', 3, 4, 'active', '2026-01-01 10:00Z', NULL),
        ('s', 'claude', 'planner', NULL, 1000, 1000, 'active', '2026-01-01 10:00Z', NULL);
    UPDATE agent_sessions SET parent_session_id = 'g' WHERE session_id = 'p';
    INSERT INTO agent_tasks (task_id, session_id, task_description, assigned_to_role, status, attempts, started_at,
                             completed_at, review) VALUES
        ('t1', 'p', 'x', 'executor', 'completed', 2, '2026-01-01 10:00:00Z', '2026-01-01 10:00:10Z', 'approved'),
        ('t2', 'p', 'x', 'executor', 'completed', 1, '2026-01-01 10:00:00Z', '2026-01-01 10:00:30Z', NULL),
        ('t3', 'c', 'x', 'executor', 'failed', 3, '2026-01-01 10:00:00Z', '2026-01-01 10:00:05Z', NULL),
        ('t4', 'g', 'x', NULL, 'completed', 1, NULL, '2026-01-01 10:00:05Z', 'rejected'),
        ('t5', 'p', 'x', 'validator', 'cancelled', 1, '2026-01-01 10:00:00Z', '2026-01-01 11:00:00Z', NULL),
        ('t6', 'p', 'x', '', 'pending', 0, NULL, NULL, NULL),
        ('t7', 's', 'x', 'executor', 'completed', 1, '2026-01-01 10:00:00Z', '2026-01-01 10:00:30Z', NULL);
    INSERT INTO agent_actions (session_id, task_id, action_type, success) VALUES
        ('g', 't1', 'edit', false), ('s', 't7', 'edit', false);
";

#[tokio::test]
async fn a_summary_counts_a_session_and_all_below_it() {
    let fixture = Fixture::new().await;
    fixture.database.client().await.unwrap().batch_execute(ROWS).await.unwrap();
    let planner: SessionId = "p".parse().unwrap();
    let summary = fixture.planner.session_summary(&planner).await.unwrap();
    assert!((summary.seconds - 3600.0).abs() < 1e-6, "{summary:?}");
    assert_eq!((summary.sessions, summary.tokens_used, summary.api_calls), (3, 123, 7));
    // Three sessions and six tasks begun, and one edit.
    assert_eq!((summary.actions, summary.failed_actions), (10, 1));
    let by_status = [
        (TaskStatus::Pending, 1),
        (TaskStatus::Completed, 3),
        (TaskStatus::Failed, 1),
        (TaskStatus::Cancelled, 1),
    ];
    assert_eq!(summary.by_status, BTreeMap::from(by_status));
    let tasks = &summary.tasks;
    assert_eq!((tasks.count, tasks.completed, tasks.failed, tasks.attempts), (6, 3, 1, 8));
    assert_eq!((tasks.timed, tasks.total_seconds, tasks.max_seconds), (3, 45.0, Some(30.0)));
    assert_eq!(tasks.mean_seconds, Some(15.0));
    assert_eq!(summary.by_role.keys().collect::<Vec<_>>(), ["any", "executor", "validator"]);
    let any = &summary.by_role["any"];
    assert_eq!((any.count, any.completed, any.timed, any.mean_seconds), (2, 1, 0, None));
    assert_eq!(summary.by_role["executor"].mean_seconds, Some(15.0));
    assert_eq!(summary.reviews, Reviews { approved: 1, rejected: 1, revisions: 0, to_audit: 1 });
    // A child's summary is of what is below it, which here is everything.
    let child = fixture.planner.session_summary(&"c".parse().unwrap()).await.unwrap();
    assert_eq!((child.sessions, child.session.session_id.as_str()), (3, "c"));
}

#[tokio::test]
async fn an_executors_summary_tells_of_what_it_did_and_of_revisions() {
    let fixture = Fixture::new().await;
    let planner = fixture.planning().await;
    let executor = fixture.started("executor").await.session.session_id;
    let task = fixture.planner.create_delegated_task(&planner, NewTask::new("x")).await.unwrap().task.task_id;
    fixture.work(&executor, json!(1)).await;
    fixture.planner.audit_task_results(&task, Verdict::NeedsRevision, Some("again"), &planner).await.unwrap();
    fixture.work(&executor, json!(2)).await;
    for session in [&executor, &planner] {
        let summary = fixture.planner.session_summary(session).await.unwrap();
        assert_eq!((summary.tasks.count, summary.tasks.attempts, summary.tasks.completed), (1, 2, 1));
        assert_eq!(summary.reviews, Reviews { revisions: 1, to_audit: 1, ..Reviews::default() });
    }
}

#[tokio::test]
async fn a_session_that_did_nothing_has_a_summary_and_one_that_is_not_there_has_none() {
    let fixture = Fixture::new().await;
    let summary = fixture.planner.session_summary(&fixture.planning().await).await.unwrap();
    assert_eq!((summary.tasks.count, summary.actions, summary.sessions), (0, 1, 1));
    assert!(summary.by_role.is_empty() && summary.seconds >= 0.0 && summary.tasks.mean_seconds.is_none());
    let error = fixture.planner.session_summary(&"nobody".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Orchestrator(OrchestratorError::UnknownSession(_))), "{error:?}");
}

//! The statements of the hot path are served by indexes, with the planner left alone, on tables that are worth one.

use agent_turbo_orchestrator::{
    ActionFilter, HistoryFilter, NewAction, NewSession, NewTask, Orchestrator, Priority, Progress,
    SessionFilter, SessionId, SilenceLimits, Usage,
};
use agent_turbo_test_support::TestDatabase;
use jiff::Timestamp;
use tokio_postgres::Client;

use crate::support::{LEASE, create, of_role};

/// Many finished tasks, many that are ready or wait in other lanes, and a trail; written past the triggers, as their
/// rows are only to be there.
const LOAD: &str = "
    SET session_replication_role = replica;
    INSERT INTO agent_sessions (session_id, agent_platform, agent_role)
        SELECT 's' || i, 'claude', 'executor' FROM generate_series(1, 5000) i;
    INSERT INTO agent_tasks (task_description, assigned_to_role, assigned_to_platform, task_priority, status, session_id)
        SELECT 'task ' || i, (ARRAY['executor', 'validator', NULL])[1 + i % 3], (ARRAY['codex', NULL])[1 + i % 2],
               1 + i % 10, (ARRAY['completed', 'completed', 'pending', 'failed', 'blocked'])[1 + i % 5], 's' || i % 5000
        FROM generate_series(1, 50000) i;
    INSERT INTO agent_actions (action_id, session_id, action_type, chain_position, chain_hash)
        SELECT 'a' || i, 's' || i % 5000, 'tool_call', 1 + i / 5000, '' FROM generate_series(1, 50000) i;
    INSERT INTO action_chains SELECT 's' || i % 5000, 10, '' FROM generate_series(1, 5000) i ON CONFLICT DO NOTHING;
    RESET session_replication_role";

/// How often tables were read from end to end so far.
async fn scans(client: &Client) -> Vec<(String, i64)> {
    client.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
    let rows = client
        .query(
            "SELECT relname::text, seq_scan FROM pg_stat_user_tables
             WHERE relname IN ('agent_tasks', 'agent_actions', 'agent_sessions', 'action_chains') ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Runs `work` on the load, and asserts that no table was read from end to end for it.
async fn without_scans(work: impl AsyncFnOnce(&Orchestrator)) {
    let database = TestDatabase::migrated().await.unwrap();
    let client = database.client().await.unwrap();
    client.batch_execute(LOAD).await.unwrap();
    client.batch_execute("VACUUM (ANALYZE)").await.unwrap();
    // Statistics are sent when a connection closes: what a pool of its own did is known when the pool is gone.
    let before = scans(&client).await;
    let orchestrator = Orchestrator::new(database.connect(vec![]).await.unwrap());
    work(&orchestrator).await;
    orchestrator.database().close();
    drop(orchestrator);
    // The last backend has reported when it is gone.
    loop {
        let others = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        if client.query_one(others, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            break;
        }
    }
    assert_eq!(scans(&client).await, before);
}

#[tokio::test]
async fn making_claiming_and_finishing_tasks_reads_no_table_from_end_to_end() {
    without_scans(async |orchestrator| {
        // Often enough that statements get their lasting plans.
        for index in 0..12 {
            let new = NewTask { priority: Priority::HIGHEST, ..NewTask::new(format!("new {index}")) };
            let first = create(orchestrator, new).await;
            let second = create(orchestrator, crate::support::task("after it", &[&first])).await;
            let claimed = orchestrator.claim_tasks(&of_role("executor"), 1 + index % 3, LEASE).await.unwrap();
            for claimed in claimed {
                let (task, token) = (claimed.task.task_id, claimed.lease.token);
                let beat = orchestrator.heartbeat_task(&task, token, LEASE, Progress::default()).await;
                beat.unwrap();
                orchestrator.complete_task(&task, token, None).await.unwrap();
            }
            orchestrator.cancel_task(&second.task_id, None, None).await.unwrap();
            orchestrator.look_after_tasks().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn the_life_of_a_session_reads_no_table_from_end_to_end() {
    without_scans(async |orchestrator| {
        let new = |parent: Option<SessionId>| NewSession { parent, ..NewSession::new("codex", "executor") };
        let parent = orchestrator.initialize_agent_session(new(None)).await.unwrap().session.session_id;
        for _ in 0..12 {
            let started = orchestrator.initialize_agent_session(new(Some(parent.clone()))).await.unwrap();
            let session = started.session.session_id;
            orchestrator.touch_session(&session, Usage { tokens_used: 5, api_calls: 1 }).await.unwrap();
            let action = NewAction::new(Some(session.clone()), "edit");
            orchestrator.log_agent_action(action.clone()).await.unwrap();
            orchestrator.log_agent_actions(vec![action; 3]).await.unwrap();
            let claimant = orchestrator.claimant(&session).await.unwrap();
            orchestrator.claim_task(&claimant, LEASE).await.unwrap().unwrap();
            let all = HistoryFilter::default();
            let history = orchestrator.get_session_history(&session, &all, 5, None).await.unwrap();
            assert_eq!((history.tasks.len(), history.actions.len()), (1, 5));
            orchestrator.session_ancestors(&session).await.unwrap();
            orchestrator.reap_sessions(SilenceLimits::default()).await.unwrap();
            orchestrator.complete_session(&session).await.unwrap();
            orchestrator.resume_session(&session).await.unwrap();
            orchestrator.fail_session(&session, "enough").await.unwrap();
            let one = ActionFilter { session: Some(session.clone()), ..ActionFilter::default() };
            assert_eq!(orchestrator.export_actions(&one, |_| Ok(())).await.unwrap(), 10);
            orchestrator.list_sessions(&SessionFilter::default(), 5, None).await.unwrap();
            assert!(orchestrator.verify_chain(Some(session.as_str())).await.unwrap().is_intact());
            orchestrator.purge_actions(session.as_str(), Timestamp::MAX, "a test", None).await.unwrap();
        }
    })
    .await;
}

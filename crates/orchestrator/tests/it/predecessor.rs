//! The statements of the programs that this system replaces, run as plain SQL beside ours.

use agent_turbo_orchestrator::{Error, NewTask, Reason, TaskFilter, TaskStatus};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::support::{LEASE, claim, create, of_role, orchestrator, task, trail};

const SESSION: &str = "
    INSERT INTO agent_sessions (session_id, agent_platform, agent_role, parent_session_id, landing_context, status,
                                created_at, last_active)
    VALUES ($1, $2, $3, $4, $5, $6, NOW(), NOW()) RETURNING id, session_id";
const TASK: &str = "
    INSERT INTO agent_tasks (task_id, session_id, task_type, task_description, task_priority, assigned_to_role,
                             depends_on_tasks, required_context, input_data, status)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending') RETURNING id";
const ACTION: &str = "
    INSERT INTO agent_actions (action_id, session_id, task_id, action_type, action_description, input_data,
                               output_data, success, execution_time_ms, executed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NOW())";
const STATUS: &str = "
    UPDATE agent_tasks SET status = $2, output_data = $3, completed_at = NOW(), progress_percentage = 100
    WHERE task_id = $1";

async fn session(client: &Client, id: &str, role: &str) {
    let none: Option<&str> = None;
    client
        .query_one(SESSION, &[&id, &"claude_code", &role, &none, &json!({ "system_nodes": [] }), &"active"])
        .await
        .unwrap();
}

async fn plain_task(client: &Client, id: &str, depends_on: Option<Vec<&str>>) {
    let none: Option<Value> = None;
    client
        .query_one(
            TASK,
            &[
                &id,
                &"claude_code_planner_0badcafe",
                &"implementation",
                &format!("do {id}"),
                &7,
                &"executor",
                &depends_on,
                &none,
                &json!({ "path": "/src" }),
            ],
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn sessions_tasks_and_actions_written_by_plain_sql_are_claimed_listed_and_chained_like_ours() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    session(&client, "claude_code_planner_0badcafe", "planner").await;
    plain_task(&client, "task_0badcafe", None).await;
    plain_task(&client, "task_deadbeef", Some(vec!["task_0badcafe"])).await;
    let none: Option<Value> = None;
    client
        .execute(
            ACTION,
            &[
                &"action_0badcafe",
                &"claude_code_planner_0badcafe",
                &"task_0badcafe",
                &"tool_call",
                &"looked around",
                &json!({ "tool": "grep" }),
                &none,
                &true,
                &12.5_f64,
            ],
        )
        .await
        .unwrap();
    let listed = orchestrator.list_tasks(&TaskFilter::default(), 10, None).await.unwrap().tasks;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|task| task.project == "default" && task.max_attempts == 3));
    let claimed = claim(&orchestrator).await;
    assert_eq!(claimed.task.task_id.as_str(), "task_0badcafe", "the other one waits for it");
    orchestrator.complete_task(&claimed.task.task_id, claimed.lease.token, None).await.unwrap();
    assert_eq!(claim(&orchestrator).await.task.task_id.as_str(), "task_deadbeef");
    let positions = client
        .query(
            "SELECT chain_position, action_type FROM agent_actions
             WHERE session_id = 'claude_code_planner_0badcafe' ORDER BY chain_position",
            &[],
        )
        .await
        .unwrap();
    let chain: Vec<(i64, String)> = positions.iter().map(|row| (row.get(0), row.get(1))).collect();
    let types = ["session_started", "task_created", "task_created", "tool_call"];
    let expected: Vec<_> = (1..).zip(types.map(str::to_owned)).collect();
    assert_eq!(chain[..4], expected[..]);
}

#[tokio::test]
async fn a_plain_update_from_pending_to_completed_lets_the_dependents_go_and_is_logged() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    session(&client, "claude_code_planner_0badcafe", "planner").await;
    plain_task(&client, "task_0badcafe", Some(vec![])).await;
    plain_task(&client, "task_deadbeef", Some(vec!["task_0badcafe"])).await;
    let result = json!({ "result": "done by the old program" });
    assert_eq!(client.execute(STATUS, &[&"task_0badcafe", &"completed", &result]).await.unwrap(), 1);
    assert_eq!(claim(&orchestrator).await.task.task_id.as_str(), "task_deadbeef");
    let first = "task_0badcafe".parse().unwrap();
    assert_eq!(trail(&client, &first).await, ["task_created", "task_completed"]);
    let stored = orchestrator.get_task(&first).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.output_data.as_ref()), (TaskStatus::Completed, Some(&result)));
}

#[tokio::test]
async fn the_old_audit_that_writes_over_the_result_leaves_it_and_is_kept_beside_it() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let made = create(&orchestrator, NewTask::new("audited by the old program")).await;
    let claimed = claim(&orchestrator).await;
    let result = json!({ "lines": 12 });
    orchestrator.complete_task(&made.task_id, claimed.lease.token, Some(result.clone())).await.unwrap();
    let audit = json!({ "audit_result": "approved" });
    client.execute(STATUS, &[&made.task_id.as_str(), &"completed", &audit]).await.unwrap();
    let stored = orchestrator.get_task(&made.task_id).await.unwrap().unwrap();
    assert_eq!(stored.output_data, Some(result));
    let kept = client
        .query_one("SELECT output_data FROM agent_actions WHERE action_type = 'task_output_kept'", &[])
        .await
        .unwrap();
    assert_eq!(kept.get::<_, Value>(0), audit);
}

#[tokio::test]
async fn a_plain_in_progress_is_nobodys_lease_and_can_be_completed_by_a_plain_update() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let made = create(&orchestrator, NewTask::new("old style")).await;
    let start = "UPDATE agent_tasks SET status = 'in_progress', started_at = NOW(), current_step = 'begin'
                 WHERE task_id = $1";
    client.execute(start, &[&made.task_id.as_str()]).await.unwrap();
    assert!(orchestrator.claim_task(&of_role("executor"), LEASE).await.unwrap().is_none());
    let running = orchestrator.get_task(&made.task_id).await.unwrap().unwrap();
    assert!(running.lease_expires_at.is_some(), "a worker that dies does not hold it for weeks");
    let progress = "UPDATE agent_tasks SET progress_percentage = 50 WHERE task_id = $1";
    client.execute(progress, &[&made.task_id.as_str()]).await.unwrap();
    let none: Option<Value> = None;
    client.execute(STATUS, &[&made.task_id.as_str(), &"completed", &none]).await.unwrap();
    assert_eq!(trail(&client, &made.task_id).await, ["task_created", "task_claimed", "task_completed"]);
}

#[tokio::test]
async fn no_plain_statement_finishes_a_task_under_somebody_elses_live_lease_or_leaves_a_final_state() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let made = create(&orchestrator, NewTask::new("held")).await;
    let claimed = claim(&orchestrator).await;
    let id = made.task_id.as_str();
    let refused = async |sql: &str| {
        let error = client.execute(sql, &[&id]).await.unwrap_err();
        error.code().unwrap().code().to_owned()
    };
    for status in ["completed", "failed", "pending", "blocked"] {
        let sql = format!("UPDATE agent_tasks SET status = '{status}' WHERE task_id = $1");
        assert_eq!(refused(&sql).await, "AT004", "{status}");
    }
    for theft in [
        "UPDATE agent_tasks SET lease_token = gen_random_uuid() WHERE task_id = $1",
        "UPDATE agent_tasks SET lease_token = NULL WHERE task_id = $1",
        "UPDATE agent_tasks SET status = 'completed', presented_token = gen_random_uuid() WHERE task_id = $1",
        "UPDATE agent_tasks SET status = 'completed', lease_token = NULL WHERE task_id = $1",
        "UPDATE agent_tasks SET status = 'completed', lease_expires_at = now() - interval '1 day' WHERE task_id = $1",
    ] {
        let code = refused(theft).await;
        assert!(code == "AT004" || code == "AT006", "{theft}: {code}");
    }
    orchestrator.complete_task(&made.task_id, claimed.lease.token, None).await.unwrap();
    for status in ["pending", "in_progress", "blocked", "failed", "cancelled"] {
        let sql = format!("UPDATE agent_tasks SET status = '{status}' WHERE task_id = $1");
        assert_eq!(refused(&sql).await, "AT003", "{status}");
    }
    for jump in [
        "UPDATE agent_tasks SET status = 'pending', round = round + 2 WHERE task_id = $1",
        "UPDATE agent_tasks SET status = 'failed', round = round + 1 WHERE task_id = $1",
        "UPDATE agent_tasks SET round = round + 1 WHERE task_id = $1",
    ] {
        assert_eq!(refused(jump).await, "AT003", "{jump}");
    }
    assert_eq!(orchestrator.get_task(&made.task_id).await.unwrap().unwrap().status, TaskStatus::Completed);
}

#[tokio::test]
async fn unknown_dependencies_and_cycles_of_plain_sql_are_refused_with_their_names() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let first = create(&orchestrator, task("first", &[])).await;
    let second = create(&orchestrator, task("second", &[&first])).await;
    let third = create(&orchestrator, task("third", &[&second])).await;
    let unknown = "UPDATE agent_tasks SET depends_on_tasks = '{task_nowhere}' WHERE task_id = $1";
    let error = client.execute(unknown, &[&first.task_id.as_str()]).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.detail()), ("AT001", Some("task_nowhere")));
    let cycle = "UPDATE agent_tasks SET depends_on_tasks = ARRAY[$2] WHERE task_id = $1";
    let error = client.execute(cycle, &[&first.task_id.as_str(), &third.task_id.as_str()]).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    let path = [&first, &third, &second, &first].map(|task| task.task_id.to_string()).join(" → ");
    assert_eq!((error.code().code(), error.detail()), ("AT002", Some(path.as_str())));
    let direct = "INSERT INTO task_dependencies (task_id, depends_on) VALUES ($1, $2)";
    let error =
        client.execute(direct, &[&first.task_id.as_str(), &third.task_id.as_str()]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "AT002");
}

#[tokio::test]
async fn dependencies_changed_by_plain_sql_change_what_is_ready() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let first = create(&orchestrator, task("first", &[])).await;
    let second = create(&orchestrator, task("second", &[])).await;
    let last = create(&orchestrator, task("last", &[&first])).await;
    let state = async || {
        let task = orchestrator.get_task(&last.task_id).await.unwrap().unwrap();
        (task.unmet_dependencies, task.depends_on_tasks.len(), task.is_ready)
    };
    let add = "INSERT INTO task_dependencies (task_id, depends_on) VALUES ($1, $2)";
    client.execute(add, &[&last.task_id.as_str(), &second.task_id.as_str()]).await.unwrap();
    assert_eq!(state().await, (2, 2, false));
    let set = "UPDATE agent_tasks SET depends_on_tasks = ARRAY[$2] WHERE task_id = $1";
    client.execute(set, &[&last.task_id.as_str(), &second.task_id.as_str()]).await.unwrap();
    assert_eq!(state().await, (1, 1, false));
    client.execute("DELETE FROM agent_tasks WHERE task_id = $1", &[&second.task_id.as_str()]).await.unwrap();
    assert_eq!(state().await, (0, 0, true));
    assert_eq!(orchestrator.why(&last.task_id).await.unwrap().reason, Reason::InLine { ahead: 1 });
}

#[tokio::test]
async fn sessions_written_by_hand_are_deleted_again_and_their_tasks_stay() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    session(&client, "claude_code_planner_0badcafe", "planner").await;
    plain_task(&client, "task_0badcafe", None).await;
    client
        .execute("DELETE FROM agent_sessions WHERE session_id = 'claude_code_planner_0badcafe'", &[])
        .await
        .unwrap();
    let stored = orchestrator.get_task(&"task_0badcafe".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.session_id, None);
    client.execute("DELETE FROM agent_tasks WHERE task_id = 'task_0badcafe'", &[]).await.unwrap();
    let gone = orchestrator.why(&"task_0badcafe".parse().unwrap()).await;
    assert!(matches!(gone, Err(Error::UnknownTask(_))));
}

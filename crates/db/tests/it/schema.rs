//! What other programs, and people at psql, count on.

use agent_turbo_test_support::TestDatabase;

/// The columns that the predecessor's statements name.
const PREDECESSOR: [(&str, &str); 8] = [
    (
        "agent_sessions",
        "id, session_id, agent_platform, agent_role, parent_session_id, landing_context, status, created_at, \
         last_active",
    ),
    (
        "agent_tasks",
        "id, task_id, session_id, task_type, task_description, task_priority, assigned_to_role, depends_on_tasks, \
         required_context, input_data, output_data, status, progress_percentage, current_step, created_at, \
         started_at, completed_at",
    ),
    (
        "agent_knowledge",
        "id, content_hash, content, embedding, tokens, created_at, source_session, knowledge_type, access_count",
    ),
    (
        "agent_actions",
        "id, action_id, session_id, task_id, action_type, action_description, input_data, output_data, success, \
         execution_time_ms, executed_at",
    ),
    (
        "system_nodes",
        "node_name, node_role, cpu_model, cpu_cores_total, ram_gb, storage_internal_tb, model_name, gpu_model",
    ),
    ("services", "service_name, port, status, service_type, node_id"),
    ("documents", "created_at"),
    ("chunks", "source_project, source_table, created_at"),
];

#[tokio::test]
async fn every_column_that_the_predecessor_names_is_there() {
    let database = TestDatabase::migrated().await.unwrap();
    let client = database.client().await.unwrap();
    for (table, columns) in PREDECESSOR {
        let prepared = client.prepare(&format!("SELECT {columns} FROM {table}")).await;
        assert!(prepared.is_ok(), "{table}: {prepared:?}");
    }
    let prepared = client.prepare("SELECT depends_on_tasks FROM agent_tasks").await.unwrap();
    assert_eq!(*prepared.columns()[0].type_(), tokio_postgres::types::Type::TEXT_ARRAY);
}

#[tokio::test]
async fn the_predecessor_s_plain_updates_are_let_through() {
    let database = TestDatabase::migrated().await.unwrap();
    let client = database.client().await.unwrap();
    let insert =
        "INSERT INTO agent_tasks (task_id, task_description, status) VALUES ('task_1', 'do', 'pending')";
    client.batch_execute(insert).await.unwrap();
    let update = "UPDATE agent_tasks SET status = 'completed', completed_at = now() WHERE task_id = 'task_1'";
    assert_eq!(client.execute(update, &[]).await.unwrap(), 1);
}

#[tokio::test]
async fn exactly_six_tables_are_called_agent_something() {
    let database = TestDatabase::migrated().await.unwrap();
    let client = database.client().await.unwrap();
    // What `\dt agent_*` of psql lists.
    let rows = client
        .query(
            "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relname ~ '^agent_' ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let expected = ["actions", "context_cache", "knowledge", "performance_metrics", "sessions", "tasks"];
    assert_eq!(names, expected.map(|name| format!("agent_{name}")));
}

#[tokio::test]
async fn a_session_can_be_made_and_removed_by_hand() {
    let database = TestDatabase::migrated().await.unwrap();
    let client = database.client().await.unwrap();
    let row = client
        .query_one(
            "INSERT INTO agent_sessions (session_id, agent_platform, agent_role, landing_context, status)
             VALUES ('claude_worker_0123abcd', 'claude', 'worker', '{\"a\": 1}', 'active') RETURNING *",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>("session_id"), "claude_worker_0123abcd");
    assert_eq!(row.get::<_, &str>("project"), "default");
    assert!(row.get::<_, i64>("id") > 0);
    let other = database.client().await.unwrap();
    let seen =
        "SELECT 1 FROM agent_sessions WHERE session_id = 'claude_worker_0123abcd' AND created_at <= now()";
    assert_eq!(other.execute(seen, &[]).await.unwrap(), 1);
    let delete = "DELETE FROM agent_sessions WHERE session_id = 'claude_worker_0123abcd'";
    assert_eq!(other.execute(delete, &[]).await.unwrap(), 1);
}

#[tokio::test]
async fn words_outside_a_vocabulary_are_refused() {
    let database = TestDatabase::migrated().await.unwrap();
    let client = database.client().await.unwrap();
    for statement in [
        "INSERT INTO agent_sessions (session_id, agent_platform, agent_role, status) VALUES ('s', 'p', 'r', 'odd')",
        "INSERT INTO agent_tasks (task_description, status) VALUES ('d', 'odd')",
        "INSERT INTO agent_tasks (task_description, task_priority) VALUES ('d', 11)",
        "INSERT INTO services (service_name, status) VALUES ('s', 'odd')",
    ] {
        let error = client.batch_execute(statement).await.unwrap_err();
        assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::CHECK_VIOLATION), "{statement}");
    }
}

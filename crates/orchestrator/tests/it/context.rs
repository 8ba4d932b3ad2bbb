use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_turbo_orchestrator::{
    ContextScope, ContextTask, EXACT_UP_TO, EXCERPT_CHARS, Error, LandingContext, MAX_BLOCKERS,
    MAX_DOCUMENTS, MAX_KNOWLEDGE, MAX_NODES, MAX_READY_TASKS, MAX_RECENT_TASKS, MAX_SERVICES, NewTask, Node,
    Orchestrator, Progress, TEXT_CHARS, TaskStatus,
};
use agent_turbo_test_support::TestDatabase;
use serde_json::Value;
use tokio_postgres::Client;

use crate::support::{LEASE, claim, create, orchestrator, task};

const SECTIONS: [&str; 8] = [
    "system_nodes",
    "active_services",
    "documentation_sources",
    "database_stats",
    "recent_tasks",
    "ready_tasks",
    "open_blockers",
    "newest_knowledge",
];

fn scope() -> ContextScope {
    ContextScope::project("default")
}

async fn cached(orchestrator: &Orchestrator) -> Arc<LandingContext> {
    orchestrator.get_cached_landing_context(&scope()).await.unwrap()
}

async fn generated(orchestrator: &Orchestrator) -> Arc<LandingContext> {
    orchestrator.generate_landing_context(&scope()).await.unwrap()
}

/// Another process, as far as memory goes.
async fn another(database: &TestDatabase) -> Orchestrator {
    Orchestrator::new(database.connect(vec![]).await.unwrap())
}

/// Waits for what comes by notification.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The context when it comes from memory: the very same one twice.
async fn remembered(orchestrator: &Orchestrator) -> Arc<LandingContext> {
    let mut last = cached(orchestrator).await;
    eventually("remembering", async || {
        let next = cached(orchestrator).await;
        let same = Arc::ptr_eq(&last, &next);
        last = next;
        same
    })
    .await;
    last
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap();
}

fn ids<'a>(tasks: impl IntoIterator<Item = &'a ContextTask>) -> Vec<&'a str> {
    tasks.into_iter().map(|task| task.task_description.as_str()).collect()
}

/// One of everything.
const SYSTEM: &str = "
    INSERT INTO system_nodes (node_name, ram_gb) VALUES ('mini', 64);
    INSERT INTO services (service_name, node_id, port, status)
        SELECT 'api', id, 8080, 'active' FROM system_nodes UNION ALL SELECT 'old', id, 8081, 'failed' FROM system_nodes;
    INSERT INTO documents (source, title, chunk_count) VALUES ('docs/a.md', 'A', 3);
    INSERT INTO documents (project, source) VALUES ('other', 'docs/b.md');
    INSERT INTO agent_knowledge (content) VALUES ('the first'), ('the second');
    INSERT INTO agent_sessions (session_id, agent_platform, agent_role) VALUES ('s', 'claude', 'executor');
    INSERT INTO agent_tasks (task_id, task_description) VALUES ('t1', 'ready'), ('t2', 'stuck');
    UPDATE agent_tasks SET status = 'blocked', status_reason = 'no key' WHERE task_id = 't2';
    INSERT INTO agent_tasks (task_description, project) VALUES ('elsewhere', 'other')";

#[tokio::test]
async fn an_empty_system_has_every_section_and_no_error() {
    let (_database, orchestrator) = orchestrator().await;
    let context = generated(&orchestrator).await;
    assert!(context.errors.is_empty(), "{:?}", context.errors);
    let json: Value = serde_json::from_str(context.json()).unwrap();
    let keys: BTreeSet<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let others = ["generated_at", "freshness", "errors", "project", "role", "platform"];
    assert_eq!(keys, SECTIONS.iter().chain(&others).copied().collect());
    assert_eq!(context.freshness.keys().map(String::as_str).collect::<BTreeSet<_>>(), SECTIONS.into());
    assert!(context.freshness.values().all(|read| *read == context.generated_at));
    let stats = &context.database_stats;
    assert!(stats.total_size_mb.unwrap() > 1.0);
    assert_eq!(
        (stats.tasks, stats.actions, stats.nodes, stats.knowledge),
        (Some(0), Some(0), Some(0), Some(0))
    );
    let read: LandingContext = serde_json::from_str(context.json()).unwrap();
    assert_eq!(read.json(), context.json());
}

#[tokio::test]
async fn every_section_shows_what_there_is_in_the_project() {
    let (database, orchestrator) = orchestrator().await;
    run(&database.client().await.unwrap(), SYSTEM).await;
    let context = generated(&orchestrator).await;
    assert!(context.errors.is_empty(), "{:?}", context.errors);
    assert_eq!(context.system_nodes[0].node_name, "mini");
    assert_eq!(context.system_nodes[0].ram_gb, Some(64.0));
    let services: Vec<_> =
        context.active_services.iter().map(|s| (&*s.service_name, s.node_name.as_deref(), s.port)).collect();
    assert_eq!(services, [("api", Some("mini"), Some(8080))]);
    let documents: Vec<_> =
        context.documentation_sources.iter().map(|d| (&*d.source, d.chunk_count)).collect();
    assert_eq!(documents, [("docs/a.md", 3)]);
    let knowledge: Vec<_> = context.newest_knowledge.iter().map(|k| &*k.excerpt).collect();
    assert_eq!(knowledge, ["the second", "the first"]);
    assert_eq!(ids(&context.ready_tasks), ["ready"]);
    assert_eq!(ids(&context.recent_tasks).len(), 2);
    let blockers: Vec<_> =
        context.open_blockers.iter().map(|b| (b.task_id.as_str(), b.status_reason.as_deref())).collect();
    assert_eq!(blockers, [("t2", Some("no key"))]);
    let stats = &context.database_stats;
    assert_eq!((stats.sessions, stats.tasks, stats.knowledge), (Some(1), Some(3), Some(2)));
    // One session started, three tasks created, one blocked.
    assert_eq!((stats.actions, stats.nodes, stats.services), (Some(5), Some(1), Some(2)));
    assert_eq!((stats.documents, stats.estimated.len()), (Some(2), 0));
}

#[tokio::test]
async fn ready_tasks_come_in_the_order_of_claims_from_every_lane_that_is_open_to_the_agent() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    run(
        &client,
        "INSERT INTO agent_tasks (task_description, assigned_to_role, assigned_to_platform, task_priority, run_after)
         VALUES ('any', NULL, NULL, 5, NULL), ('executor', 'executor', NULL, 7, NULL),
                ('executor on claude', 'executor', 'claude', 6, NULL), ('anybody on claude', NULL, 'claude', 9, NULL),
                ('executor on codex', 'executor', 'codex', 10, NULL), ('validator', 'validator', NULL, 10, NULL),
                ('later', NULL, NULL, 10, now() + interval '1 hour'), ('due', NULL, NULL, 8, now() - interval '1 s'),
                ('due on codex', NULL, 'codex', 8, now() - interval '1 s')",
    )
    .await;
    let ready = async |role: Option<&str>, platform: Option<&str>| {
        let scope =
            ContextScope { role: role.map(str::to_owned), platform: platform.map(str::to_owned), ..scope() };
        let context = orchestrator.generate_landing_context(&scope).await.unwrap();
        assert!(context.errors.is_empty(), "{:?}", context.errors);
        ids(&context.ready_tasks).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let mine = ["anybody on claude", "due", "executor", "executor on claude", "any"];
    assert_eq!(ready(Some("executor"), Some("claude")).await, mine);
    let of_role = [
        "executor on codex",
        "anybody on claude",
        "due",
        "due on codex",
        "executor",
        "executor on claude",
        "any",
    ];
    assert_eq!(ready(Some("executor"), None).await, of_role);
    assert_eq!(
        ready(None, Some("claude")).await,
        ["validator", "anybody on claude", "due", "executor", "executor on claude", "any"]
    );
    assert_eq!(ready(None, None).await.len(), 8);
    assert_eq!(ready(Some("planner"), Some("gemini")).await, ["due", "any"]);
}

#[tokio::test]
async fn what_stops_work_is_blocked_or_broken_with_somebody_waiting() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    for state in ["failed", "cancelled", "completed"] {
        let before = create(&orchestrator, task(&format!("{state}, waited for"), &[])).await;
        create(&orchestrator, task("waits", &[&before])).await;
        create(&orchestrator, task(&format!("{state}, alone"), &[])).await;
        run(
            &client,
            &format!("UPDATE agent_tasks SET status = '{state}' WHERE task_description LIKE '{state},%'"),
        )
        .await;
    }
    let context = generated(&orchestrator).await;
    let found: Vec<_> = context.open_blockers.iter().map(|blocker| &*blocker.task_description).collect();
    assert_eq!(found, ["cancelled, waited for", "failed, waited for"]);
}

#[tokio::test]
async fn sections_are_bounded_and_so_are_their_texts() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    run(
        &client,
        "INSERT INTO system_nodes (node_name) SELECT 'node ' || i FROM generate_series(1, 100) i;
         INSERT INTO services (service_name, status) SELECT 'service ' || i, 'active' FROM generate_series(1, 100) i;
         INSERT INTO documents (source, title) SELECT 'doc ' || i, repeat('ü', 10000) FROM generate_series(1, 100) i;
         INSERT INTO agent_knowledge (content) SELECT i || repeat('🦀', 10000) FROM generate_series(1, 20) i;
         INSERT INTO agent_tasks (task_description, assigned_to_role)
             SELECT i || repeat('界', 10000), 'role ' || i % 7 FROM generate_series(1, 40) i;
         INSERT INTO agent_tasks (task_description, status) SELECT repeat('x', 10000), 'blocked'
             FROM generate_series(1, 40) i",
    )
    .await;
    let context = generated(&orchestrator).await;
    assert!(context.errors.is_empty(), "{:?}", context.errors);
    assert_eq!(context.system_nodes.len(), MAX_NODES);
    assert_eq!(context.active_services.len(), MAX_SERVICES);
    assert_eq!(context.documentation_sources.len(), MAX_DOCUMENTS);
    assert_eq!(context.newest_knowledge.len(), MAX_KNOWLEDGE);
    assert_eq!(context.recent_tasks.len(), MAX_RECENT_TASKS);
    assert_eq!(context.ready_tasks.len(), MAX_READY_TASKS);
    assert_eq!(context.open_blockers.len(), MAX_BLOCKERS);
    assert!(context.newest_knowledge.iter().all(|entry| entry.excerpt.chars().count() == EXCERPT_CHARS));
    let tasks = context.recent_tasks.iter().chain(&context.ready_tasks).map(|task| &task.task_description);
    let texts = tasks.chain(context.open_blockers.iter().map(|blocker| &blocker.task_description));
    assert!(texts.map(|text| text.chars().count()).all(|chars| chars == TEXT_CHARS));
    // And again through the database.
    cached(&orchestrator).await;
    assert_eq!(cached(&another(&database).await).await.newest_knowledge, context.newest_knowledge);
}

#[tokio::test]
async fn counts_beyond_a_size_are_estimates_and_say_so() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let insert =
        "INSERT INTO documents (source) SELECT gen_random_uuid()::text FROM generate_series(1, $1::bigint)";
    client.execute(insert, &[&EXACT_UP_TO]).await.unwrap();
    let stats = generated(&orchestrator).await.database_stats.clone();
    assert_eq!((stats.documents, stats.estimated), (Some(EXACT_UP_TO), vec![]));
    client.execute(insert, &[&(2 * EXACT_UP_TO)]).await.unwrap();
    let stats = generated(&orchestrator).await.database_stats.clone();
    assert_eq!(stats.estimated, ["documents"]);
    assert!(stats.documents.unwrap() > EXACT_UP_TO);
    run(&client, "ANALYZE documents").await;
    let stats = generated(&orchestrator).await.database_stats.clone();
    assert_eq!((stats.documents, stats.estimated), (Some(3 * EXACT_UP_TO), vec!["documents".to_owned()]));
}

#[tokio::test]
async fn a_context_is_generated_once_and_shared() {
    let (database, orchestrator) = orchestrator().await;
    let first = cached(&orchestrator).await;
    let shared = cached(&another(&database).await).await;
    assert_eq!(shared.generated_at, first.generated_at);
    let kept = remembered(&orchestrator).await;
    assert_eq!(kept.generated_at, first.generated_at);
    let client = database.client().await.unwrap();
    let hits = async || {
        let row = client
            .query_one("SELECT hit_count, version, project FROM agent_context_cache", &[])
            .await
            .unwrap();
        assert_eq!((row.get::<_, i64>(1), row.get::<_, &str>(2)), (1, "default"));
        row.get::<_, i64>(0)
    };
    eventually("counting hits", async || hits().await >= 2).await;
    // Another role is another context.
    let other = ContextScope { role: Some("executor".to_owned()), ..scope() };
    let other = orchestrator.get_cached_landing_context(&other).await.unwrap();
    assert!(other.generated_at > first.generated_at);
}

#[tokio::test]
async fn every_change_made_elsewhere_invalidates_memory_and_database() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    run(&client, SYSTEM).await;
    let other = another(&database).await;
    let changes = [
        "INSERT INTO system_nodes (node_name) VALUES ('new')",
        "UPDATE system_nodes SET ram_gb = 128 WHERE node_name = 'mini'",
        "DELETE FROM system_nodes WHERE node_name = 'new'",
        "UPDATE services SET status = 'active' WHERE service_name = 'old'",
        "INSERT INTO documents (source) VALUES ('docs/c.md')",
        "UPDATE documents SET title = 'other' WHERE source = 'docs/c.md'",
        "DELETE FROM documents WHERE source = 'docs/c.md'",
        "INSERT INTO agent_tasks (task_id, task_description) VALUES ('t3', 'new')",
        "UPDATE agent_tasks SET status = 'in_progress' WHERE task_id = 't3'",
        "UPDATE agent_tasks SET status = 'completed' WHERE task_id = 't3'",
        "UPDATE agent_tasks SET task_priority = 9 WHERE task_id = 't1'",
        "UPDATE agent_tasks SET project = 'other' WHERE task_id = 't1'",
        "UPDATE agent_tasks SET project = 'default' WHERE task_id = 't1'",
        "UPDATE agent_tasks SET status_reason = 'a key is wanted' WHERE task_id = 't2'",
        "DELETE FROM agent_tasks WHERE task_id = 't3'",
        "INSERT INTO agent_knowledge (content) VALUES ('the third')",
        "UPDATE agent_knowledge SET content = 'the last' WHERE content = 'the third'",
        "DELETE FROM agent_knowledge WHERE content = 'the last'",
        "TRUNCATE agent_tasks, task_dependencies",
        "TRUNCATE services",
        "TRUNCATE documents",
    ];
    for change in changes {
        let before = remembered(&orchestrator).await;
        run(&client, change).await;
        let shared = cached(&another(&database).await).await;
        assert!(shared.generated_at > before.generated_at, "{change} is not seen in the database");
        eventually(change, async || cached(&orchestrator).await.generated_at >= shared.generated_at).await;
    }
    // By another program of ours.
    let before = remembered(&orchestrator).await;
    create(&other, NewTask::new("new").for_role("executor")).await;
    eventually("creating", async || !cached(&orchestrator).await.recent_tasks.is_empty()).await;
    let held = claim(&other).await;
    eventually("claiming", async || cached(&orchestrator).await.ready_tasks.is_empty()).await;
    assert!(cached(&orchestrator).await.generated_at > before.generated_at);
    other.complete_task(&held.task.task_id, held.lease.token, None).await.unwrap();
    eventually("completing", async || {
        cached(&orchestrator).await.recent_tasks[0].status == TaskStatus::Completed
    })
    .await;
}

#[tokio::test]
async fn what_this_process_changed_it_sees_at_once() {
    let (_database, orchestrator) = orchestrator().await;
    for count in 1..20 {
        remembered(&orchestrator).await;
        create(&orchestrator, NewTask::new(format!("task {count}")).for_role("executor")).await;
        assert_eq!(cached(&orchestrator).await.database_stats.tasks, Some(count));
        remembered(&orchestrator).await;
        let held = claim(&orchestrator).await;
        assert_eq!(ids(&cached(&orchestrator).await.ready_tasks), [""; 0]);
        orchestrator.complete_task(&held.task.task_id, held.lease.token, None).await.unwrap();
        let newest = cached(&orchestrator).await.recent_tasks[0].clone();
        assert_eq!(newest.status, TaskStatus::Completed);
    }
    remembered(&orchestrator).await;
    orchestrator.register_node(&Node::this_machine()).await.unwrap();
    assert_eq!(cached(&orchestrator).await.system_nodes.len(), 1);
}

#[tokio::test]
async fn what_was_written_but_not_committed_when_a_context_was_read_invalidates_it_by_its_commit() {
    for isolation in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let (database, orchestrator) = orchestrator().await;
        let (writer, client) = (database.client().await.unwrap(), database.client().await.unwrap());
        run(&client, SYSTEM).await;
        // Begins before anybody watches, and is not told of.
        run(&writer, &format!("BEGIN ISOLATION LEVEL {isolation}; UPDATE agent_tasks SET task_priority = 9"))
            .await;
        let before = cached(&orchestrator).await;
        eventually("watching", async || {
            cached(&orchestrator).await;
            let sql = "SELECT pg_sequence_last_value('context_watch') IS NOT NULL";
            client.query_one(sql, &[]).await.unwrap().get(0)
        })
        .await;
        // Whatever else ends meanwhile.
        for number in 0..20 {
            run(&client, &format!("INSERT INTO agent_sessions (session_id, agent_platform, agent_role) VALUES ('s{number}', 'a', 'b')"))
                .await;
            let (one, two) = (cached(&orchestrator).await, cached(&orchestrator).await);
            assert!(
                !Arc::ptr_eq(&one, &two),
                "memory is trusted though a transaction goes on that nobody hears of"
            );
            assert_eq!((one.generated_at, two.generated_at), (before.generated_at, before.generated_at));
        }
        run(&writer, "COMMIT").await;
        let seen = [cached(&orchestrator).await, cached(&another(&database).await).await];
        assert!(seen.iter().all(|context| context.ready_tasks[0].task_priority == 9), "{isolation}");

        // Begins while somebody watches, and is heard of by its commit.
        let before = remembered(&orchestrator).await;
        run(&writer, &format!("BEGIN ISOLATION LEVEL {isolation}; UPDATE agent_tasks SET task_priority = 8"))
            .await;
        let still = remembered(&orchestrator).await;
        assert_eq!(still.generated_at, before.generated_at);
        // A context that is stored meanwhile does not see it either.
        run(&client, "DELETE FROM agent_context_cache").await;
        let fresh = another(&database).await;
        let meanwhile = cached(&fresh).await;
        assert!(meanwhile.generated_at > before.generated_at);
        run(&writer, "COMMIT").await;
        assert_eq!(cached(&another(&database).await).await.ready_tasks[0].task_priority, 8);
        assert_eq!(cached(&fresh).await.ready_tasks[0].task_priority, 8);
        eventually(isolation, async || cached(&orchestrator).await.ready_tasks[0].task_priority == 8).await;
    }
}

#[tokio::test]
async fn an_uncommitted_change_of_machines_services_or_documents_counts_by_its_commit() {
    let (database, orchestrator) = orchestrator().await;
    let (writer, client) = (database.client().await.unwrap(), database.client().await.unwrap());
    run(&client, SYSTEM).await;
    for change in [
        "UPDATE system_nodes SET node_role = 'server'",
        "UPDATE services SET port = 9090",
        "UPDATE documents SET title = 'B'",
        "DELETE FROM agent_tasks WHERE task_id = 't1'",
        "INSERT INTO agent_knowledge (content) VALUES ('more')",
    ] {
        remembered(&orchestrator).await;
        run(&writer, &format!("BEGIN; {change}")).await;
        run(&client, "DELETE FROM agent_context_cache").await;
        let stored = cached(&another(&database).await).await;
        assert_eq!(cached(&another(&database).await).await.generated_at, stored.generated_at);
        remembered(&orchestrator).await;
        run(&writer, "COMMIT").await;
        let shared = cached(&another(&database).await).await;
        assert!(shared.generated_at > stored.generated_at, "{change}");
        eventually(change, async || cached(&orchestrator).await.generated_at >= shared.generated_at).await;
    }
}

#[tokio::test]
async fn signs_of_life_and_other_projects_invalidate_nothing() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    run(&client, SYSTEM).await;
    create(&orchestrator, NewTask::new("work").for_role("executor")).await;
    let held = claim(&orchestrator).await;
    let before = remembered(&orchestrator).await;
    orchestrator
        .heartbeat_task(&held.task.task_id, held.lease.token, LEASE, Progress::default())
        .await
        .unwrap();
    run(
        &client,
        "UPDATE agent_tasks SET progress_percentage = 50, current_step = 'halfway' WHERE task_id = 't1'",
    )
    .await;
    run(&client, "UPDATE system_nodes SET last_seen = now()").await;
    run(&client, "UPDATE services SET checked_at = now()").await;
    run(&client, "INSERT INTO agent_tasks (task_description, project) VALUES ('elsewhere', 'other')").await;
    run(&client, "UPDATE agent_tasks SET status = 'completed' WHERE project = 'other'").await;
    assert!(Arc::ptr_eq(&cached(&orchestrator).await, &before));
    assert_eq!(cached(&another(&database).await).await.generated_at, before.generated_at);
}

#[tokio::test]
async fn without_its_listener_memory_is_not_trusted() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let before = remembered(&orchestrator).await;
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    // It cannot come back, while those who are connected go on.
    let admin = TestDatabase::empty().await.unwrap();
    let admin = admin.client().await.unwrap();
    run(&admin, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    let kill = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
                WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    assert_eq!(client.query_one(kill, &[]).await.unwrap().get::<_, i64>(0), 1);
    eventually("noticing", async || !Arc::ptr_eq(&cached(&orchestrator).await, &before)).await;
    for number in 0..10 {
        run(&client, &format!("INSERT INTO agent_tasks (task_description) VALUES ('task {number}')")).await;
        assert_eq!(cached(&orchestrator).await.database_stats.tasks, Some(number + 1));
    }
    run(&admin, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    let after = remembered(&orchestrator).await;
    assert_eq!(after.database_stats.tasks, Some(10));
}

#[tokio::test]
async fn a_row_that_is_over_or_from_elsewhere_is_replaced() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    for damage in [
        "expires_at = now() - interval '1 second'",
        "snapshot = NULL",
        // From a server that was further on.
        "snapshot = '4000000000000:4000000000000:'",
        "context = '{\"other\": \"program\"}'",
        "context = '[]'",
        "context = '3'",
    ] {
        let before = cached(&orchestrator).await;
        run(&client, &format!("UPDATE agent_context_cache SET {damage}")).await;
        let after = cached(&another(&database).await).await;
        assert!(after.generated_at > before.generated_at, "{damage}");
        let again = cached(&another(&database).await).await;
        assert_eq!(again.generated_at, after.generated_at, "{damage} is not replaced");
        // What memory knows is right all the same.
        run(&client, "DELETE FROM agent_context_cache").await;
    }
}

#[tokio::test]
async fn a_context_lasts_until_the_next_task_is_due_and_five_minutes_at_the_most() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let lasts = async || {
        let sql = "SELECT extract(epoch FROM expires_at - created_at)::float8 FROM agent_context_cache";
        client.query_one(sql, &[]).await.unwrap().get::<_, f64>(0)
    };
    cached(&orchestrator).await;
    assert!((299.0..=300.0).contains(&lasts().await));
    run(
        &client,
        "INSERT INTO agent_tasks (task_description, run_after) VALUES ('later', now() + interval '1 minute')",
    )
    .await;
    cached(&orchestrator).await;
    assert!((50.0..=60.0).contains(&lasts().await), "{}", lasts().await);
}

#[tokio::test]
async fn a_section_that_cannot_be_read_is_told_of_and_the_others_are_there() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    run(&client, SYSTEM).await;
    for (table, sections) in [
        ("documents", &["documentation_sources"][..]),
        ("agent_actions", &["database_stats"]),
        ("chunks", &["newest_knowledge"]),
        ("system_nodes", &["active_services", "system_nodes"]),
        ("agent_tasks", &["open_blockers", "ready_tasks", "recent_tasks"]),
    ] {
        run(&client, &format!("DELETE FROM agent_context_cache; ALTER TABLE {table} RENAME TO hidden")).await;
        let context = generated(&orchestrator).await;
        assert_eq!(context.errors.keys().collect::<Vec<_>>(), sections, "{:?}", context.errors);
        assert!(
            context.errors.values().all(|error| error.contains("does not exist")),
            "{:?}",
            context.errors
        );
        assert!(
            sections
                .iter()
                .all(|section| { *section == "database_stats" || !context.freshness.contains_key(*section) })
        );
        assert!(context.database_stats.total_size_mb.is_some());
        if table == "documents" {
            assert_eq!(context.database_stats.documents, None);
            assert_eq!((context.system_nodes.len(), context.recent_tasks.len()), (1, 2));
            // Whoever asks later is to have it whole.
            cached(&orchestrator).await;
            let kept = client.query_one("SELECT count(*) FROM agent_context_cache", &[]).await.unwrap();
            assert_eq!(kept.get::<_, i64>(0), 0);
        }
        run(&client, &format!("ALTER TABLE hidden RENAME TO {table}")).await;
        assert!(generated(&orchestrator).await.errors.is_empty());
    }
}

#[tokio::test]
async fn a_database_that_is_none_of_ours_or_not_there_is_an_error() {
    let empty = TestDatabase::empty().await.unwrap();
    let orchestrator = another(&empty).await;
    let error = orchestrator.generate_landing_context(&scope()).await.unwrap_err();
    assert!(matches!(error, Error::Database(_)), "{error}");
    orchestrator.database().close();
    let error = orchestrator.get_cached_landing_context(&scope()).await.unwrap_err();
    assert!(matches!(error, Error::Database(_)), "{error}");
}

#[tokio::test]
async fn since_a_session_began_only_what_changed() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    run(&client, SYSTEM).await;
    for number in 0..20 {
        create(&orchestrator, NewTask::new(format!("old {number}"))).await;
    }
    let given = cached(&orchestrator).await;
    let sql = "INSERT INTO agent_sessions (session_id, agent_platform, agent_role, landing_context)
               VALUES ('mine', 'claude', 'executor', $1::text::jsonb)";
    client.execute(sql, &[&given.json()]).await.unwrap();
    let session = "mine".parse().unwrap();
    let context = orchestrator.landing_context_since(&scope(), &session).await.unwrap();
    assert_eq!((context.system_nodes.len(), context.active_services.len()), (0, 0));
    assert_eq!((context.recent_tasks.len(), context.ready_tasks.len()), (0, 0));
    assert_eq!((context.documentation_sources.len(), context.open_blockers.len()), (0, 0));
    assert_eq!((context.newest_knowledge.len(), context.database_stats.tasks), (0, Some(23)));

    run(
        &client,
        "UPDATE services SET status = 'active' WHERE service_name = 'old';
         INSERT INTO system_nodes (node_name) VALUES ('maxi');
         INSERT INTO documents (source) VALUES ('docs/c.md');
         INSERT INTO agent_knowledge (content) VALUES ('the third');
         UPDATE agent_tasks SET status = 'blocked' WHERE task_description = 'old 3';
         UPDATE agent_tasks SET task_priority = 10 WHERE task_description = 'old 4'",
    )
    .await;
    let context = orchestrator.landing_context_since(&scope(), &session).await.unwrap();
    assert!(context.errors.is_empty(), "{:?}", context.errors);
    assert_eq!(context.system_nodes.iter().map(|node| &*node.node_name).collect::<Vec<_>>(), ["maxi"]);
    assert_eq!(context.active_services.iter().map(|s| &*s.service_name).collect::<Vec<_>>(), ["old"]);
    assert_eq!(context.documentation_sources.iter().map(|d| &*d.source).collect::<Vec<_>>(), ["docs/c.md"]);
    assert_eq!(context.newest_knowledge.iter().map(|k| &*k.excerpt).collect::<Vec<_>>(), ["the third"]);
    assert_eq!(ids(&context.recent_tasks).into_iter().collect::<BTreeSet<_>>(), ["old 3", "old 4"].into());
    assert_eq!(ids(&context.ready_tasks), ["old 4"]);
    assert_eq!(context.open_blockers.iter().map(|b| &*b.task_description).collect::<Vec<_>>(), ["old 3"]);

    let error = orchestrator.landing_context_since(&scope(), &"nobody".parse().unwrap()).await.unwrap_err();
    assert!(matches!(&error, Error::UnknownSession(id) if id.as_str() == "nobody"), "{error}");
    // A session of another program may have been given anything, or nothing.
    run(
        &client,
        "UPDATE agent_sessions SET landing_context = '{\"system_nodes\": 3}' WHERE session_id = 'mine'",
    )
    .await;
    let context = orchestrator.landing_context_since(&scope(), &session).await.unwrap();
    assert_eq!(context.system_nodes.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_get_whole_contexts() {
    let (database, orchestrator) = orchestrator().await;
    run(&database.client().await.unwrap(), SYSTEM).await;
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let orchestrator = orchestrator.clone();
            tokio::spawn(async move {
                for round in 0..10 {
                    let context = if (number + round) % 2 == 0 {
                        generated(&orchestrator).await
                    } else {
                        cached(&orchestrator).await
                    };
                    assert!(context.errors.is_empty(), "{:?}", context.errors);
                    assert_eq!((context.system_nodes.len(), context.recent_tasks.len()), (1, 2));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn names_in_any_script_are_kept_apart_and_impossible_ones_refused() {
    let (_database, orchestrator) = orchestrator().await;
    let long = "\"\\".repeat(128);
    let names = ["ü", "界", "🦀", "a\",\"b", "'; DROP TABLE agent_tasks; --", &long];
    for project in names {
        for role in [None, Some(project.to_owned())] {
            create(&orchestrator, NewTask { project: Some(project.to_owned()), ..NewTask::new(project) })
                .await;
            let scope = ContextScope { project: project.to_owned(), role: role.clone(), platform: role };
            let stored = orchestrator.get_cached_landing_context(&scope).await.unwrap();
            assert!(stored.recent_tasks.iter().all(|task| task.task_description == project));
            let again = orchestrator.get_cached_landing_context(&scope).await.unwrap();
            assert_eq!((again.generated_at, &again.scope), (stored.generated_at, &scope));
        }
    }
    let bad = [String::new(), "a\0b".to_owned(), "ü".repeat(129), " a".to_owned()];
    for name in bad {
        let scope = ContextScope::project(name.clone());
        let error = orchestrator.get_cached_landing_context(&scope).await.unwrap_err();
        assert!(matches!(error, Error::BadInput { .. }), "{error}");
        let scope = ContextScope { role: Some(name), ..self::scope() };
        let error = orchestrator.generate_landing_context(&scope).await.unwrap_err();
        assert!(matches!(error, Error::BadInput { .. }), "{error}");
    }
}

/// Tasks in many lanes, mostly of the project, and actions and knowledge.
const LOAD: &str = "
    SET session_replication_role = replica;
    INSERT INTO agent_tasks (task_description, project, assigned_to_role, assigned_to_platform, task_priority, status,
                             run_after, lease_expires_at)
        SELECT 'task ' || i, CASE WHEN i % 5 = 0 THEN 'other' ELSE 'default' END,
               (ARRAY['executor', 'validator', NULL])[1 + i % 3], (ARRAY['claude', 'codex', NULL])[1 + i / 3 % 3],
               1 + i % 10, (ARRAY['pending', 'completed', 'failed', 'blocked', 'in_progress'])[1 + i / 7 % 5],
               CASE WHEN i % 4 = 0 THEN now() + i * interval '1 s' END, now() + interval '1 hour'
        FROM generate_series(1, 20000) i;
    INSERT INTO agent_sessions (session_id, agent_platform, agent_role)
        SELECT 's' || i, 'claude', 'executor' FROM generate_series(1, 20000) i;
    INSERT INTO agent_actions (action_id, action_type, chain_position, chain_hash) SELECT 'a' || i, 'x', i, '' FROM generate_series(1, 20000) i;
    INSERT INTO agent_knowledge (content, content_hash, project)
        SELECT 'text ' || i, i, CASE WHEN i % 5 = 0 THEN 'other' ELSE 'default' END FROM generate_series(1, 20000) i;
    INSERT INTO documents (source, project)
        SELECT 'doc ' || i, CASE WHEN i % 5 = 0 THEN 'other' ELSE 'default' END FROM generate_series(1, 20000) i;
    RESET session_replication_role;
    ANALYZE";

#[tokio::test]
async fn no_statement_reads_a_table_from_end_to_end() {
    let database = TestDatabase::migrated().await.unwrap();
    let client = database.client().await.unwrap();
    run(&client, LOAD).await;
    let config = agent_turbo_db::Config { pool_min: 1, pool_max: 1, ..database.config() };
    let pool = agent_turbo_db::Database::connect(config).await.unwrap();
    let orchestrator = Orchestrator::new(pool.clone());
    cached(&orchestrator).await;
    cached(&orchestrator).await;
    run(
        &client,
        "INSERT INTO agent_sessions (session_id, agent_platform, agent_role) VALUES ('mine', 'a', 'b')",
    )
    .await;
    orchestrator.landing_context_since(&scope(), &"mine".parse().unwrap()).await.unwrap();
    let prepared = pool.client().await.unwrap();
    let sql = "SELECT statement FROM pg_prepared_statements WHERE statement ~ '^-- (landing_|load_context)' ORDER BY 1";
    let statements = prepared.query(sql, &[]).await.unwrap();
    assert_eq!(statements.len(), 19, "{statements:?}");
    for plans in ["force_generic_plan", "force_custom_plan"] {
        run(&client, &format!("SET plan_cache_mode = {plans}")).await;
        for statement in &statements {
            let statement: &str = statement.get(0);
            let name = statement.lines().next().unwrap();
            let params = match name {
                "-- load_context" => &["'[\"default\",null,null]', 'default'"][..],
                "-- landing_ready_tasks" => &[
                    "'default', NULL, NULL",
                    "'default', 'executor', NULL",
                    "'default', 'executor', 'codex'",
                ],
                _ if statement.contains("$1") => &["'default'"],
                _ => &[""],
            };
            for params in params {
                run(&client, &format!("PREPARE it AS {statement}")).await;
                let execute = if params.is_empty() { "it".to_owned() } else { format!("it({params})") };
                let plan = client.simple_query(&format!("EXPLAIN EXECUTE {execute}")).await.unwrap();
                let plan: Vec<String> = plan
                    .iter()
                    .filter_map(|message| match message {
                        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                        _ => None,
                    })
                    .collect();
                for table in
                    ["agent_tasks", "agent_actions", "agent_knowledge", "agent_sessions", "documents"]
                {
                    let scan = format!("Seq Scan on {table}");
                    assert!(
                        !plan.iter().any(|line| line.contains(&scan)),
                        "{name} ({plans})\n{}",
                        plan.join("\n")
                    );
                }
                run(&client, "DEALLOCATE it").await;
            }
        }
    }
}

//! Landing contexts on a durable server with a million entries of knowledge, a million actions and 100,000 tasks.
//!
//! The floor under what asks the database is one round trip of a prepared statement that does nothing.

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_turbo_benches::{Pair, Report, Times, is_smoke, run, sure};
use agent_turbo_db::{self as db, Database};
use agent_turbo_orchestrator::{ContextScope, LandingContext, Orchestrator};
use agent_turbo_test_support::PrivateCluster;
use anyhow::{Result, ensure};
use criterion::{Criterion, SamplingMode};
use tokio::runtime::Runtime;
use tokio_postgres::{NoTls, Statement};

const KNOWLEDGE: i64 = 1_000_000;
const ACTIONS: i64 = 1_000_000;
const TASKS: i64 = 100_000;

fn main() {
    run("context", bench);
}

fn bench(criterion: &mut Criterion, report: &Report) {
    let runtime = sure(Runtime::new());
    // Opened by the first bench that is not filtered out.
    let scene = LazyCell::new(|| sure(runtime.block_on(Scene::open(report))));
    let mut group = criterion.benchmark_group("context");
    group.warm_up_time(Duration::from_secs(1));

    let in_process = Times::default();
    group.bench_function("cached in process", |bencher| {
        let known = sure(runtime.block_on(scene.remember()));
        bencher.iter_custom(|calls| {
            sure(runtime.block_on(in_process.time_async(calls, async || {
                let context = scene.orchestrator.get_cached_landing_context(&scope()).await?;
                ensure!(Arc::ptr_eq(&context, &known), "the context did not come from memory");
                Ok(())
            })))
        });
    });
    report.median("landing context, cached in process", &in_process);

    group.sampling_mode(SamplingMode::Flat);
    let across = Pair::default();
    group.bench_function("cached across processes", |bencher| {
        let known = sure(runtime.block_on(scene.remember()));
        bencher.iter_custom(|rounds| {
            let subject = async || {
                // Nothing in memory, as in a process that has just begun.
                let orchestrator = Orchestrator::new(scene.orchestrator.database().clone());
                let context = orchestrator.get_cached_landing_context(&scope()).await?;
                ensure!(context.generated_at == known.generated_at, "the context was generated anew");
                Ok(())
            };
            sure(runtime.block_on(across.alternate(rounds, subject, async || scene.round_trip().await)))
        });
    });
    report.median("landing context, cached across processes", &across.subject);

    let fresh = Pair::default();
    group.bench_function("fresh", |bencher| {
        bencher.iter_custom(|rounds| {
            let subject = async || {
                let context = scene.orchestrator.generate_landing_context(&scope()).await?;
                ensure!(context.errors.is_empty() && context.ready_tasks.len() == 10, "a whole context");
                Ok(())
            };
            sure(runtime.block_on(fresh.alternate(rounds, subject, async || scene.round_trip().await)))
        });
    });
    report.median("landing context, fresh beside 1,000,000 rows", &fresh.subject);
    report.figure("bare round trip", &fresh.floor);
}

/// As an agent asks that begins a session.
fn scope() -> ContextScope {
    ContextScope {
        project: "default".to_owned(),
        role: Some("executor".to_owned()),
        platform: Some("claude".to_owned()),
    }
}

struct Scene {
    orchestrator: Orchestrator,
    client: tokio_postgres::Client,
    nothing: Statement,
    /// Last, for the others are connected to it.
    _cluster: PrivateCluster,
}

impl Scene {
    async fn open(report: &Report) -> Result<Self> {
        let cluster = PrivateCluster::start().await?;
        let config = db::Config::new(cluster.url().await?);
        db::migrate(&config).await?;
        let (client, connection) = tokio_postgres::connect(config.url.expose(), NoTls).await?;
        tokio::spawn(connection);
        let start = Instant::now();
        load(&client).await?;
        report.note("loaded", &format!("{:.0?}", start.elapsed()));
        let orchestrator = Orchestrator::new(Database::connect(config).await?);
        let context = orchestrator.get_cached_landing_context(&scope()).await?;
        report.note("landing context", &format!("{} bytes of JSON", context.json().len()));
        report.note("counted", &format!("{:?}", context.database_stats));
        let nothing = client.prepare("SELECT 1").await?;
        Ok(Self { orchestrator, client, nothing, _cluster: cluster })
    }

    /// Asks until the context comes from memory: the listener may still be connecting.
    async fn remember(&self) -> Result<Arc<LandingContext>> {
        let mut last = self.orchestrator.get_cached_landing_context(&scope()).await?;
        loop {
            let next = self.orchestrator.get_cached_landing_context(&scope()).await?;
            if Arc::ptr_eq(&last, &next) {
                return Ok(next);
            }
            last = next;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn round_trip(&self) -> Result<()> {
        self.client.query_one(&self.nothing, &[]).await?;
        Ok(())
    }
}

/// Rows of all projects, written past the triggers: they are only to be there.
async fn load(client: &tokio_postgres::Client) -> Result<()> {
    let share = if is_smoke() { 100 } else { 1 };
    client.batch_execute("SET session_replication_role = replica").await?;
    for (sql, rows) in [
        ("INSERT INTO system_nodes (node_name) SELECT 'node ' || i FROM generate_series(1, $1::bigint) i", 100),
        (
            "INSERT INTO services (service_name, status) SELECT 'service ' || i, 'active' FROM generate_series(1, $1::bigint) i",
            100,
        ),
        (
            "INSERT INTO documents (source, title) SELECT 'docs/' || i, 'Document ' || i FROM generate_series(1, $1::bigint) i",
            10_000,
        ),
        (
            "INSERT INTO agent_knowledge (content, content_hash, project)
             SELECT 'What was learned in ' || i, i, (ARRAY['default', 'other'])[1 + i % 2] FROM generate_series(1, $1::bigint) i",
            KNOWLEDGE,
        ),
        (
            "INSERT INTO agent_sessions (session_id, agent_platform, agent_role)
             SELECT 's' || i, 'claude', 'executor' FROM generate_series(1, $1::bigint) i",
            10_000,
        ),
        (
            "INSERT INTO agent_actions (action_id, session_id, action_type, chain_position, chain_hash)
             SELECT 'a' || i, 's' || i % 10000, 'tool_call', i, '' FROM generate_series(1, $1::bigint) i",
            ACTIONS,
        ),
        (
            "INSERT INTO agent_tasks (task_description, project, assigned_to_role, assigned_to_platform, task_priority,
                                      status, created_at, updated_at)
             SELECT 'Task ' || i, (ARRAY['default', 'other'])[1 + i % 2],
                    (ARRAY['executor', 'validator', NULL])[1 + i % 3], (ARRAY['claude', 'codex', NULL])[1 + i / 3 % 3],
                    1 + i % 10, (ARRAY['pending', 'completed', 'failed', 'blocked', 'cancelled'])[1 + i / 9 % 5],
                    now() - i * interval '1 second', now() - i * interval '1 second'
             FROM generate_series(1, $1::bigint) i",
            TASKS,
        ),
    ] {
        client.execute(sql, &[&(rows / share)]).await?;
    }
    client.batch_execute("RESET session_replication_role").await?;
    client.batch_execute("VACUUM (ANALYZE)").await?;
    Ok(())
}

//! Writing down what was done, and starting sessions, on a durable server.
//!
//! The floors are bare prepared statements that insert the same rows into copies of the tables with all their indexes
//! and constraints, but without the triggers: no chain, and no audit of the session's start.

use std::cell::LazyCell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use agent_turbo_benches::{Pair, Report, Times, is_smoke, run, sure, texts};
use agent_turbo_db::{self as db, Database};
use agent_turbo_orchestrator::{LandingContext, NewAction, NewSession, NewTask, Orchestrator, SessionId};
use agent_turbo_test_support::PrivateCluster;
use anyhow::{Result, ensure};
use criterion::{Criterion, SamplingMode};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, Statement};

fn main() {
    run("actions", bench);
}

fn bench(criterion: &mut Criterion, report: &Report) {
    let runtime = sure(Runtime::new());
    let scene = LazyCell::new(|| sure(runtime.block_on(Scene::open())));
    let mut group = criterion.benchmark_group("actions");
    group.warm_up_time(Duration::from_secs(1));
    group.sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(8));

    let log = Pair::default();
    group.bench_function("log", |bencher| {
        let scene = &*scene;
        bencher.iter_custom(|rounds| {
            sure(runtime.block_on(log.alternate(
                rounds,
                async || scene.log().await,
                async || scene.log_bare().await,
            )))
        });
    });
    report.ratio("log_agent_action", &log);

    let start = Pair::default();
    group.bench_function("session start", |bencher| {
        let scene = &*scene;
        bencher.iter_custom(|rounds| {
            sure(runtime.block_on(start.alternate(
                rounds,
                async || scene.start().await,
                async || scene.start_bare().await,
            )))
        });
    });
    report.ratio("session start, context cached", &start);

    group.sample_size(10);
    let storm = Times::default();
    group.bench_function("sessions at once", |bencher| {
        let scene = &*scene;
        bencher.iter_custom(|calls| {
            sure(runtime.block_on(storm.time_async(calls, async || scene.storm().await)))
        });
    });
    report.median("10,000 sessions started at once, pool 10", &storm);

    let batch = Times::default();
    group.bench_function("log 1,000", |bencher| {
        let scene = &*scene;
        bencher.iter_custom(|calls| {
            sure(runtime.block_on(batch.time_async(calls, async || {
                let actions = (0..1000).map(|_| scene.action()).collect();
                scene.orchestrator.log_agent_actions(actions).await?;
                Ok(())
            })))
        });
    });
    report.figure("log_agent_actions, 1,000 at once", &batch);

    let verify = Times::default();
    group.bench_function("verify", |bencher| {
        let scene = &*scene;
        bencher.iter_custom(|calls| {
            sure(runtime.block_on(verify.time_async(calls, async || {
                let report = scene.orchestrator.verify_chain(Some(CHECKED)).await?;
                ensure!(report.is_intact() && report.actions == CHECKED_LENGTH, "{report:?}");
                Ok(())
            })))
        });
    });
    report.figure("verify 10,000 actions", &verify);
}

const CHECKED: &str = "checked";
const CHECKED_LENGTH: u64 = 10_000;

struct Scene {
    orchestrator: Orchestrator,
    session: SessionId,
    context: std::sync::Arc<LandingContext>,
    bare: Bare,
    /// Last, for the others are connected to it.
    _cluster: PrivateCluster,
}

/// A plain connection with the floor's statements prepared.
struct Bare {
    client: Client,
    log: Statement,
    start: Statement,
    /// The end of the chain that nobody chains.
    position: AtomicI64,
}

impl Scene {
    async fn open() -> Result<Self> {
        let cluster = PrivateCluster::start().await?;
        let config = db::Config::new(cluster.url().await?);
        db::migrate(&config).await?;
        let orchestrator = Orchestrator::new(Database::connect(config.clone()).await?);
        let (client, connection) = tokio_postgres::connect(config.url.expose(), NoTls).await?;
        tokio::spawn(connection);
        let filled = if is_smoke() { 100 } else { 20_000 };
        for _ in 0..20 {
            orchestrator.create_task(NewTask::new(texts::entry())).await?;
        }
        client
            .batch_execute(&format!(
                "INSERT INTO agent_actions (session_id, action_type, input_data)
                     SELECT 'other ' || n % 100, 'edit', jsonb_build_object('n', n) FROM generate_series(1, {filled}) n;
                 INSERT INTO agent_actions (session_id, action_type, input_data)
                     SELECT '{CHECKED}', 'edit', jsonb_build_object('n', n) FROM generate_series(1, {CHECKED_LENGTH}) n;
                 CREATE TABLE bare_actions (LIKE agent_actions INCLUDING ALL);
                 CREATE TABLE bare_sessions (LIKE agent_sessions INCLUDING ALL);
                 INSERT INTO bare_actions OVERRIDING SYSTEM VALUE SELECT * FROM agent_actions;
                 ALTER TABLE bare_actions ALTER id RESTART WITH 1000000;
                 ANALYZE"
            ))
            .await?;
        let new = NewSession::new("codex", "executor");
        let started = orchestrator.initialize_agent_session(new).await?;
        let bare = Bare::prepare(client).await?;
        Ok(Self {
            orchestrator,
            session: started.session.session_id,
            context: started.context,
            bare,
            _cluster: cluster,
        })
    }

    fn action(&self) -> NewAction {
        NewAction {
            description: Some(texts::entry()),
            input: Some(input()),
            output: Some(output()),
            duration: Some(Duration::from_millis(12)),
            changed_files: vec!["src/main.rs".to_owned(), "src/lib.rs".to_owned()],
            commands: vec!["cargo test --workspace".to_owned()],
            ..NewAction::new(Some(self.session.clone()), "edit")
        }
    }

    async fn log(&self) -> Result<()> {
        self.orchestrator.log_agent_action(self.action()).await?;
        Ok(())
    }

    async fn log_bare(&self) -> Result<()> {
        let id = format!("action_{}", &texts::digits()[..32]);
        let position = self.bare.position.fetch_add(1, Ordering::Relaxed);
        let inserted = self
            .bare
            .client
            .execute(
                &self.bare.log,
                &[
                    &id,
                    &self.session.as_str(),
                    &"edit",
                    &texts::entry(),
                    &input(),
                    &output(),
                    &12.0f64,
                    &["src/main.rs", "src/lib.rs"].as_slice(),
                    &["cargo test --workspace"].as_slice(),
                    &position,
                    &[7u8; 32].as_slice(),
                ],
            )
            .await?;
        ensure!(inserted == 1, "the bare statement inserted {inserted} rows");
        Ok(())
    }

    async fn start(&self) -> Result<()> {
        self.orchestrator.initialize_agent_session(NewSession::new("codex", "executor")).await?;
        Ok(())
    }

    /// Everybody starts at the same moment; one that fails fails all.
    async fn storm(&self) -> Result<()> {
        let count = if is_smoke() { 50 } else { 10_000 };
        let starts = (0..count).map(|_| {
            let orchestrator = self.orchestrator.clone();
            let new = NewSession::new("codex", "executor");
            tokio::spawn(async move { orchestrator.initialize_agent_session(new).await })
        });
        for started in try_join_all(starts).await? {
            started?;
        }
        Ok(())
    }

    async fn start_bare(&self) -> Result<()> {
        let id = format!("codex_executor_{}", &texts::digits()[..16]);
        let inserted = self
            .bare
            .client
            .query(
                &self.bare.start,
                &[&id, &"codex", &"executor", &self.context.json(), &json!({ "start": texts::digits() })],
            )
            .await?
            .len();
        ensure!(inserted == 1, "the bare statement inserted {inserted} rows");
        Ok(())
    }
}

impl Bare {
    async fn prepare(client: Client) -> Result<Self> {
        let log = client
            .prepare(
                "INSERT INTO bare_actions
                     (action_id, session_id, action_type, action_description, input_data, output_data,
                      execution_time_ms, changed_files, commands_executed, chain_position, chain_hash)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            )
            .await?;
        let start = client
            .prepare(
                "INSERT INTO bare_sessions
                     (session_id, agent_platform, agent_role, landing_context, metadata)
                 VALUES ($1, $2, $3, $4::text::jsonb, $5)
                 RETURNING session_id, created_at",
            )
            .await?;
        Ok(Self { client, log, start, position: AtomicI64::new(1) })
    }
}

fn input() -> Value {
    json!({ "file": "src/main.rs", "lines": [12, 48], "why": texts::entry() })
}

fn output() -> Value {
    json!({ "passed": 128, "failed": 0, "summary": texts::entry() })
}

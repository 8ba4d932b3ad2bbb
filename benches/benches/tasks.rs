//! Making, claiming and completing tasks, on a durable server.
//!
//! The floors are bare prepared statements on copies of the tables with all their indexes and constraints, but without
//! the triggers that keep the rules and the audit trail: `create_task` is held against one statement that inserts the
//! same two rows, claiming and completing against the usual `SKIP LOCKED` update and a plain update, without any audit.

use std::cell::LazyCell;
use std::time::{Duration, Instant};

use agent_turbo_benches::{Pair, Report, is_smoke, run, sure, texts};
use agent_turbo_db::{self as db, Database};
use agent_turbo_orchestrator::{Claimant, Completion, NewTask, Orchestrator};
use agent_turbo_test_support::PrivateCluster;
use anyhow::{Context, Result, ensure};
use criterion::{Criterion, SamplingMode};
use futures_util::future::try_join_all;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, Statement};

const BATCH: usize = 50;

const LEASE: Duration = Duration::from_mins(10);
/// Tasks that each worker does in a round.
const EACH: usize = 10;

fn main() {
    run("tasks", bench);
}

fn bench(criterion: &mut Criterion, report: &Report) {
    let runtime = sure(Runtime::new());
    let scene = LazyCell::new(|| sure(runtime.block_on(Scene::open())));
    let mut group = criterion.benchmark_group("tasks");
    group.warm_up_time(Duration::from_secs(1));
    group.sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(8));

    let create = Pair::default();
    group.bench_function("create", |bencher| {
        let scene = &*scene;
        bencher.iter_custom(|rounds| {
            sure(runtime.block_on(create.alternate(
                rounds,
                async || scene.create().await,
                async || scene.create_bare().await,
            )))
        });
    });
    report.ratio("create_task", &create);

    group.sample_size(20);
    for workers in [1, 4, 16] {
        let pair = Pair::default();
        group.bench_function(format!("claim and complete, {workers} workers"), |bencher| {
            let scene = &*scene;
            bencher.iter_custom(|rounds| {
                sure(runtime.block_on(scene.fill(rounds as usize * workers * EACH)));
                sure(runtime.block_on(pair.alternate(
                    rounds,
                    async || scene.work(workers).await,
                    async || scene.work_bare(workers).await,
                )))
            });
        });
        let s = if workers == 1 { "" } else { "s" };
        report.share(&format!("claim + complete, {workers} worker{s}"), &pair);
    }

    let finished = if is_smoke() { 1000 } else { 1_000_000 };
    let piled = Pair::default();
    let crowded = LazyCell::new(|| {
        sure(runtime.block_on(async {
            let crowded = Scene::open().await?;
            crowded.pile_up(finished).await?;
            anyhow::Ok(crowded)
        }))
    });
    group.bench_function("claim and complete beside finished tasks", |bencher| {
        let (scene, crowded) = (&*scene, &*crowded);
        bencher.iter_custom(|rounds| {
            sure(runtime.block_on(crowded.fill(rounds as usize * EACH)));
            sure(runtime.block_on(scene.fill(rounds as usize * EACH)));
            sure(runtime.block_on(piled.alternate(
                rounds,
                async || crowded.work(1).await,
                async || scene.work(1).await,
            )))
        });
    });
    report.ratio("claim + complete beside 1,000,000 finished tasks", &piled);
    report.note("finished tasks beside which it was", &finished.to_string());

    let mut best: f64 = 0.0;
    group.bench_function("batches of 50", |bencher| {
        let scene = &*scene;
        bencher.iter_custom(|rounds| {
            // Four machines at once, a batch each.
            sure(runtime.block_on(scene.fill(rounds as usize * 4 * BATCH)));
            let start = Instant::now();
            let mut done = 0;
            for _ in 0..rounds {
                let batches = (0..4).map(|worker| scene.batch(worker));
                done += sure(runtime.block_on(try_join_all(batches))).into_iter().sum::<usize>();
            }
            let taken = start.elapsed();
            best = best.max(done as f64 / taken.as_secs_f64());
            taken
        });
    });
    if best > 0.0 {
        report.value(
            "claim + complete in batches of 50",
            best,
            "the best of 4 machines at once, audit included".into(),
        );
    }
}

struct Scene {
    orchestrator: Orchestrator,
    claimants: Vec<Claimant>,
    workers: Vec<Bare>,
    /// Last, for the others are connected to it.
    _cluster: PrivateCluster,
}

/// A plain connection with the floor's statements prepared.
struct Bare {
    client: Client,
    create: Statement,
    claim: Statement,
    complete: Statement,
}

impl Scene {
    async fn open() -> Result<Self> {
        let cluster = PrivateCluster::start().await?;
        let config = db::Config::new(cluster.url().await?);
        db::migrate(&config).await?;
        let url = config.url.clone();
        let orchestrator = Orchestrator::new(Database::connect(config).await?);
        let admin = connect(url.expose()).await?;
        admin
            .batch_execute(
                "CREATE TABLE bare_tasks (LIKE agent_tasks INCLUDING ALL);
                 ALTER TABLE bare_tasks
                     SET (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.01);
                 CREATE TABLE bare_actions (LIKE agent_actions INCLUDING ALL);
                 CREATE SEQUENCE bare_positions;
                 INSERT INTO agent_sessions (session_id, agent_platform, agent_role)
                     SELECT 'bench_executor_' || i, 'bench', 'executor' FROM generate_series(0, 15) i",
            )
            .await?;
        let mut claimants = Vec::new();
        for worker in 0..16 {
            claimants.push(orchestrator.claimant(&format!("bench_executor_{worker}").parse()?).await?);
        }
        let workers = try_join_all((0..16).map(|_| Bare::prepare(url.expose()))).await?;
        Ok(Self { orchestrator, claimants, workers, _cluster: cluster })
    }

    fn bare(&self, worker: usize) -> &Bare {
        &self.workers[worker]
    }

    async fn create(&self) -> Result<()> {
        let session_id = self.claimants[0].session_id.clone();
        let new = NewTask { session_id, ..NewTask::new(texts::entry()).for_role("nobody") };
        self.orchestrator.create_task(new).await?;
        Ok(())
    }

    async fn create_bare(&self) -> Result<()> {
        let bare = self.bare(0);
        let id = format!("task_{}", &texts::digits()[..12]);
        bare.client.execute(&bare.create, &[&id, &texts::entry()]).await?;
        Ok(())
    }

    /// Puts so many ready tasks into both queues, past the triggers.
    async fn fill(&self, count: usize) -> Result<()> {
        let client = &self.bare(0).client;
        for table in ["agent_tasks", "bare_tasks"] {
            client
                .batch_execute(&format!(
                    "SET session_replication_role = replica;
                     INSERT INTO {table} (task_description, assigned_to_role, task_priority)
                         SELECT 'task ' || i, 'executor', 1 + i % 10 FROM generate_series(1, {count}) i;
                     RESET session_replication_role"
                ))
                .await?;
        }
        client.batch_execute("ANALYZE agent_tasks, bare_tasks").await?;
        Ok(())
    }

    /// Finished tasks with their trail, as a year leaves them behind.
    async fn pile_up(&self, count: usize) -> Result<()> {
        self.bare(0)
            .client
            .batch_execute(&format!(
                "SET session_replication_role = replica;
                 INSERT INTO agent_tasks (task_description, assigned_to_role, status, completed_at)
                     SELECT 'finished ' || i, 'executor', 'completed', now() FROM generate_series(1, {count}) i;
                 INSERT INTO agent_actions (action_id, session_id, action_type, chain_position, chain_hash)
                     SELECT 'a' || i, 'old', 'task_completed', i, '' FROM generate_series(1, {count}) i;
                 RESET session_replication_role"
            ))
            .await?;
        self.bare(0).client.batch_execute("VACUUM (ANALYZE)").await?;
        Ok(())
    }

    /// So many workers claim and complete tasks one by one.
    async fn work(&self, workers: usize) -> Result<()> {
        try_join_all(self.claimants[..workers].iter().map(async |claimant| {
            for _ in 0..EACH {
                let claimed =
                    self.orchestrator.claim_task(claimant, LEASE).await?.context("the queue is empty")?;
                self.orchestrator.complete_task(&claimed.task.task_id, claimed.lease.token, None).await?;
            }
            anyhow::Ok(())
        }))
        .await?;
        Ok(())
    }

    async fn work_bare(&self, workers: usize) -> Result<()> {
        try_join_all(self.workers[..workers].iter().map(async |bare| {
            for _ in 0..EACH {
                let row = bare.client.query_one(&bare.claim, &[]).await?;
                let (id, token): (&str, uuid::Uuid) = (row.get(0), row.get(1));
                let completed = bare.client.execute(&bare.complete, &[&id, &token]).await?;
                ensure!(completed == 1, "the task was not completed");
            }
            anyhow::Ok(())
        }))
        .await?;
        Ok(())
    }

    /// How many tasks it did: the others may hold a part of what it sees.
    async fn batch(&self, worker: usize) -> Result<usize> {
        let claimed = self.orchestrator.claim_tasks(&self.claimants[worker], BATCH, LEASE).await?;
        let count = claimed.len();
        let completions = claimed
            .into_iter()
            .map(|claimed| Completion {
                task_id: claimed.task.task_id,
                token: claimed.lease.token,
                output: None,
            })
            .collect();
        for outcome in self.orchestrator.complete_tasks(completions).await? {
            outcome?;
        }
        Ok(count)
    }
}

impl Bare {
    async fn prepare(url: &str) -> Result<Self> {
        let client = connect(url).await?;
        let create = client
            .prepare(
                "WITH task AS (
                     INSERT INTO bare_tasks (task_id, session_id, task_description, assigned_to_role)
                     VALUES ($1, 'bench_executor_0', $2, 'nobody')
                     RETURNING task_id)
                 INSERT INTO bare_actions
                     (action_id, session_id, task_id, action_type, output_data, chain_position, chain_hash)
                 SELECT 'action_' || replace(gen_random_uuid()::text, '-', ''), 'bench_executor_0', task_id,
                        'task_created', '{\"to\": \"pending\"}', nextval('bare_positions'), ''
                 FROM task",
            )
            .await?;
        let claim = client
            .prepare(
                "UPDATE bare_tasks SET status = 'in_progress', lease_session_id = 'bench', lease_token = gen_random_uuid(),
                        lease_expires_at = now() + interval '10 minutes', attempts = attempts + 1, started_at = now()
                 WHERE id = (SELECT id FROM bare_tasks
                             WHERE is_ready AND project = 'default' AND coalesce(assigned_to_role, '') = 'executor'
                                 AND coalesce(assigned_to_platform, '') = ''
                             ORDER BY task_priority DESC, created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
                 RETURNING task_id, lease_token, task_description, input_data",
            )
            .await?;
        let complete = client
            .prepare(
                "UPDATE bare_tasks SET status = 'completed', lease_token = NULL, lease_expires_at = NULL,
                        completed_at = now(), progress_percentage = 100
                 WHERE task_id = $1 AND lease_token = $2",
            )
            .await?;
        Ok(Self { client, create, claim, complete })
    }
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

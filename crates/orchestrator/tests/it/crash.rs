//! Workers that are killed anywhere, and a server that is killed in the middle.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_turbo_db::{Config, Database, migrate};
use agent_turbo_orchestrator::{GraphTask, NewTask, OnFailure, Orchestrator, TaskId};
use agent_turbo_test_support::PrivateCluster;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;

use crate::support::of_role;

const TASKS: usize = 200;
const WORKERS: u64 = 8;
/// Short: what a killed worker held is waited for.
const LEASE: Duration = Duration::from_secs(1);

/// What the workers of all lives know together.
#[derive(Default)]
struct Ledger {
    /// Completions that were acknowledged.
    acknowledged: Mutex<HashSet<TaskId>>,
    half: Notify,
}

impl Ledger {
    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }
}

/// Where a worker's life ends.
#[derive(Clone, Copy, PartialEq)]
enum Death {
    AfterClaim,
    AfterWork,
    /// The completion is on its way, its answer is never read.
    BeforeAnswer,
    Never,
}

/// One life: claims and completes until it dies or nothing is left. Errors are what a killed server causes; a worker
/// goes on after them, as `agent-turbo worker` would.
async fn life(orchestrator: &Orchestrator, ledger: &Ledger, random: &mut StdRng) {
    while !all_done(orchestrator).await {
        let claimed =
            orchestrator.wait_for_task(&of_role("executor"), LEASE, Duration::from_millis(200)).await;
        let Ok(Some(claimed)) = claimed else { continue };
        let id = claimed.task.task_id;
        assert!(!ledger.acknowledged.lock().unwrap().contains(&id), "{id} was given out after it was done");
        let death = match random.random_range(0..12) {
            0 => Death::AfterClaim,
            1 => Death::AfterWork,
            2 => Death::BeforeAnswer,
            _ => Death::Never,
        };
        if death == Death::AfterClaim {
            return;
        }
        tokio::task::yield_now().await;
        if death == Death::AfterWork {
            return;
        }
        let output = Some(serde_json::json!({ "by": id }));
        let completion = orchestrator.complete_task(&id, claimed.lease.token, output);
        if death == Death::BeforeAnswer {
            // Polled once: the statement is on its way when the connection is dropped.
            let _ = tokio::time::timeout(Duration::ZERO, completion).await;
            return;
        }
        if completion.await.is_ok() {
            ledger.acknowledged.lock().unwrap().insert(id);
            if ledger.count() == TASKS / 3 {
                ledger.half.notify_one();
            }
        }
    }
}

async fn all_done(orchestrator: &Orchestrator) -> bool {
    let sql = "SELECT count(*) AS count FROM agent_tasks WHERE status <> 'completed'";
    match orchestrator.database().query_opt("open_tasks", sql, &[]).await {
        Ok(row) => row.unwrap().get::<_, i64>("count") == 0,
        Err(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_workers_and_the_server_killed_nothing_is_lost_and_nothing_acknowledged_is_done_twice() {
    let cluster = PrivateCluster::start().await.unwrap();
    let config = Config { wait_timeout: Duration::from_mins(1), ..Config::new(cluster.url().await.unwrap()) };
    migrate(&config).await.unwrap();
    let db = Database::connect(config).await.unwrap();
    let orchestrator = Orchestrator::new(db);
    let graph = (0..TASKS)
        .map(|index| GraphTask {
            key: index.to_string(),
            after: if index % 3 == 2 {
                vec![((index / 2).to_string(), OnFailure::Block)]
            } else {
                Vec::new()
            },
            task: NewTask { max_attempts: Some(100), ..NewTask::new(index.to_string()) },
        })
        .collect();
    let made = orchestrator.create_graph(graph).await.unwrap();
    let ledger = Arc::new(Ledger::default());
    let workers: Vec<_> = (0..WORKERS)
        .map(|seed| {
            let (orchestrator, ledger) = (orchestrator.clone(), Arc::clone(&ledger));
            tokio::spawn(async move {
                let mut random = StdRng::seed_from_u64(seed);
                // A worker that dies is followed by another one.
                while !all_done(&orchestrator).await {
                    life(&orchestrator, &ledger, &mut random).await;
                }
            })
        })
        .collect();
    ledger.half.notified().await;
    cluster.kill().await.unwrap();
    cluster.postgres().await.unwrap();
    for worker in workers {
        worker.await.unwrap();
    }
    let db = orchestrator.database();
    let row = db
        .query_opt(
            "outcome",
            "SELECT count(*) FILTER (WHERE status = 'completed') AS completed,
                    count(*) FILTER (WHERE output_data ->> 'by' = task_id) AS right_results,
                    (SELECT count(*) FROM agent_actions WHERE action_type = 'task_completed') AS completions,
                    (SELECT count(DISTINCT task_id) FROM agent_actions WHERE action_type = 'task_completed')
                        AS distinct_completions,
                    (SELECT count(*) FROM task_dependencies e
                     JOIN agent_tasks p ON p.task_id = e.depends_on JOIN agent_tasks d ON d.task_id = e.task_id
                     WHERE d.started_at < p.completed_at) AS too_early
             FROM agent_tasks",
            &[],
        )
        .await
        .unwrap()
        .unwrap();
    let tasks = i64::try_from(TASKS).unwrap();
    for column in ["completed", "right_results", "completions", "distinct_completions"] {
        assert_eq!(row.get::<_, i64>(column), tasks, "{column}");
    }
    assert_eq!(row.get::<_, i64>("too_early"), 0);
    assert_eq!(made.tasks.len(), TASKS);
}

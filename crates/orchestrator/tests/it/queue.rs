//! Who gets which task when, alone and among many.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_turbo_db::{Config, Database};
use agent_turbo_orchestrator::{
    Claimant, GraphTask, NewTask, OnFailure, Orchestrator, Priority, TaskId, TaskStatus,
};
use agent_turbo_test_support::TestDatabase;
use tokio::sync::Barrier;

use crate::support::{LEASE, claim, create, of_role, orchestrator, task};

#[tokio::test]
async fn the_most_urgent_comes_first_and_among_equals_the_oldest() {
    let (_database, orchestrator) = orchestrator().await;
    for (name, priority) in [("a", 3), ("b", 9), ("c", 3), ("d", 10), ("e", 9)] {
        let priority = Priority::try_from(priority).unwrap();
        create(&orchestrator, NewTask { priority, ..NewTask::new(name) }).await;
    }
    let claimed = orchestrator.claim_tasks(&of_role("executor"), 10, LEASE).await.unwrap();
    let order: Vec<_> = claimed.iter().map(|claimed| claimed.task.task_description.as_str()).collect();
    assert_eq!(order, ["d", "b", "e", "a", "c"]);
}

#[tokio::test]
async fn only_tasks_for_the_claimants_role_platform_and_project_are_his() {
    let (_database, orchestrator) = orchestrator().await;
    let wanted = |name: &str, role: Option<&str>, platform: Option<&str>, project: &str| NewTask {
        role: role.map(str::to_owned),
        platform: platform.map(str::to_owned),
        project: Some(project.to_owned()),
        ..NewTask::new(name)
    };
    let executor = Some("executor");
    for new in [
        wanted("another role", Some("validator"), None, "default"),
        wanted("role by prefix", Some("exec"), None, "default"),
        wanted("another platform", executor, Some("codex"), "default"),
        wanted("another project", executor, None, "defaul"),
        wanted("role", executor, None, "default"),
        wanted("role and platform", executor, Some("claude"), "default"),
        wanted("platform", None, Some("claude"), "default"),
        wanted("anybody", None, None, "default"),
    ] {
        create(&orchestrator, new).await;
    }
    let on_claude = Claimant { platform: Some("claude".to_owned()), ..of_role("executor") };
    let claimed = orchestrator.claim_tasks(&on_claude, 2, LEASE).await.unwrap();
    let order: Vec<_> = claimed.iter().map(|claimed| claimed.task.task_description.as_str()).collect();
    assert_eq!(order, ["role", "role and platform"]);
    let without = orchestrator.claim_tasks(&of_role("executor"), 10, LEASE).await.unwrap();
    let order: Vec<_> = without.iter().map(|claimed| claimed.task.task_description.as_str()).collect();
    assert_eq!(order, ["anybody"], "who has no platform does not get what is for one");
    let rest = orchestrator.claim_tasks(&on_claude, 10, LEASE).await.unwrap();
    assert_eq!(rest.len(), 1);
}

#[tokio::test]
async fn two_claimants_of_one_task_at_the_same_moment_one_gets_it() {
    let (_database, orchestrator) = orchestrator().await;
    for round in 0..50 {
        create(&orchestrator, NewTask::new(format!("round {round}"))).await;
        let barrier = Arc::new(Barrier::new(2));
        let both = (0..2).map(|_| {
            let (orchestrator, barrier) = (orchestrator.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                orchestrator.claim_task(&of_role("executor"), LEASE).await.unwrap()
            })
        });
        let got: Vec<_> = futures_util::future::join_all(both).await;
        assert_eq!(got.into_iter().filter(|claimed| claimed.as_ref().unwrap().is_some()).count(), 1);
    }
}

/// A graph of `count` tasks, each after up to three earlier ones.
fn graph(count: usize) -> Vec<GraphTask> {
    (0..count)
        .map(|index| {
            // Spread without chance, so that a failure can be looked at again.
            let before = [index / 2, index * 7 / 11, index.saturating_sub(37)];
            let after: HashSet<String> = before
                .iter()
                .filter(|before| **before < index && index % 5 != 0)
                .map(usize::to_string)
                .collect();
            GraphTask {
                key: index.to_string(),
                after: after.into_iter().map(|key| (key, OnFailure::Block)).collect(),
                task: NewTask {
                    priority: Priority::try_from(1 + i32::try_from(index * 31 % 10).unwrap()).unwrap(),
                    max_attempts: Some(1),
                    ..NewTask::new(index.to_string()).for_role("executor")
                },
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_claimants_do_five_thousand_dependent_tasks_once_each_and_in_a_legal_order() {
    const TASKS: usize = 5000;
    let database = TestDatabase::migrated().await.unwrap();
    let config = Config { wait_timeout: Duration::from_mins(2), ..database.config() };
    let orchestrator = Orchestrator::new(Database::connect(config).await.unwrap());
    let graph = graph(TASKS);
    let before: HashMap<String, Vec<String>> = graph
        .iter()
        .map(|node| (node.key.clone(), node.after.iter().map(|(key, _)| key.clone()).collect()))
        .collect();
    let made = orchestrator.create_graph(graph).await.unwrap();
    assert_eq!(made.created, TASKS);
    let begun = Arc::new(Mutex::new(HashSet::new()));
    let handed_in = Arc::new(Mutex::new(HashSet::new()));
    let before = Arc::new(before);
    let workers = (0..200).map(|_| {
        let orchestrator = orchestrator.clone();
        let (begun, handed_in, before) = (Arc::clone(&begun), Arc::clone(&handed_in), Arc::clone(&before));
        tokio::spawn(async move {
            while handed_in.lock().unwrap().len() < TASKS {
                let claimed = orchestrator
                    .wait_for_task(&of_role("executor"), LEASE, Duration::from_millis(500))
                    .await
                    .unwrap();
                let Some(claimed) = claimed else { continue };
                let key = claimed.task.task_description;
                assert!(begun.lock().unwrap().insert(key.clone()), "{key} was given out twice");
                {
                    let done = handed_in.lock().unwrap();
                    assert!(before[&key].iter().all(|before| done.contains(before)), "{key} came too early");
                }
                // Before the call: whoever sees the effect may be quicker than its answer.
                handed_in.lock().unwrap().insert(key);
                orchestrator.complete_task(&claimed.task.task_id, claimed.lease.token, None).await.unwrap();
            }
        })
    });
    for worker in futures_util::future::join_all(workers).await {
        worker.unwrap();
    }
    let client = database.client().await.unwrap();
    let row = client
        .query_one(
            "SELECT count(*) FILTER (WHERE status = 'completed' AND attempts = 1 AND unmet_dependencies = 0),
                    (SELECT count(*) FROM agent_actions WHERE action_type = 'task_claimed'),
                    (SELECT count(DISTINCT task_id) FROM agent_actions WHERE action_type = 'task_completed'),
                    (SELECT count(*) FROM task_dependencies e
                     JOIN agent_tasks p ON p.task_id = e.depends_on JOIN agent_tasks d ON d.task_id = e.task_id
                     WHERE d.started_at < p.completed_at)
             FROM agent_tasks",
            &[],
        )
        .await
        .unwrap();
    let tasks = i64::try_from(TASKS).unwrap();
    let counts: (i64, i64, i64, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!(counts, (tasks, tasks, tasks, 0));
}

#[tokio::test]
async fn a_waiting_claimant_is_woken_by_whatever_makes_a_task_ready() {
    let (_database, orchestrator) = orchestrator().await;
    let wait = || {
        let orchestrator = orchestrator.clone();
        tokio::spawn(async move {
            orchestrator.wait_for_task(&of_role("executor"), LEASE, Duration::from_mins(1)).await.unwrap()
        })
    };
    let waiting = wait();
    let first = create(&orchestrator, NewTask::new("created")).await;
    let claimed = waiting.await.unwrap().unwrap();
    assert_eq!(claimed.task.task_id, first.task_id);
    let second = create(&orchestrator, task("after the first", &[&first])).await;
    let waiting = wait();
    orchestrator.complete_task(&first.task_id, claimed.lease.token, None).await.unwrap();
    let claimed = waiting.await.unwrap().unwrap();
    assert_eq!(claimed.task.task_id, second.task_id);
    let waiting = wait();
    orchestrator.release_task(&second.task_id, claimed.lease.token, None).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().task.task_id, second.task_id);
    let nothing = orchestrator.wait_for_task(&of_role("executor"), LEASE, Duration::ZERO).await.unwrap();
    assert!(nothing.is_none());
}

#[tokio::test]
async fn a_waiting_claimant_finds_a_task_whose_notification_was_lost() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    // Nobody is told of anything.
    client.batch_execute("ALTER TABLE agent_tasks DISABLE TRIGGER agent_tasks_ready_at_once").await.unwrap();
    let waiting = {
        let orchestrator = orchestrator.clone();
        tokio::spawn(async move {
            orchestrator.wait_for_task(&of_role("executor"), LEASE, Duration::from_mins(1)).await.unwrap()
        })
    };
    // Once it has looked and found nothing, its listener is there.
    loop {
        let listening = client
            .query_one("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'", &[])
            .await
            .unwrap();
        if listening.get::<_, i64>(0) > 0 {
            break;
        }
    }
    let made = create(&orchestrator, NewTask::new("in silence")).await;
    assert_eq!(waiting.await.unwrap().unwrap().task.task_id, made.task_id);
}

#[tokio::test]
async fn a_waiting_claimant_survives_the_loss_of_its_listener() {
    let (database, orchestrator) = orchestrator().await;
    let client = database.client().await.unwrap();
    let waiting = {
        let orchestrator = orchestrator.clone();
        tokio::spawn(async move {
            orchestrator.wait_for_task(&of_role("executor"), LEASE, Duration::from_mins(1)).await.unwrap()
        })
    };
    loop {
        let killed = client
            .query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE query LIKE 'LISTEN%' AND datname = current_database()",
                &[],
            )
            .await
            .unwrap();
        if !killed.is_empty() {
            break;
        }
    }
    let made = create(&orchestrator, NewTask::new("after the loss")).await;
    assert_eq!(waiting.await.unwrap().unwrap().task.task_id, made.task_id);
}

#[tokio::test]
async fn claimants_see_past_tasks_that_others_hold_locked() {
    let (database, orchestrator) = orchestrator().await;
    for index in 0..300 {
        create(&orchestrator, NewTask::new(index.to_string())).await;
    }
    let mut client = database.client().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    // More than a first look takes in.
    transaction
        .execute("SELECT FROM agent_tasks WHERE task_description::int < 299 FOR UPDATE", &[])
        .await
        .unwrap();
    assert_eq!(claim(&orchestrator).await.task.task_description, "299");
    assert!(orchestrator.claim_task(&of_role("executor"), LEASE).await.unwrap().is_none());
    transaction.rollback().await.unwrap();
    assert_eq!(claim(&orchestrator).await.task.task_description, "0");
}

#[tokio::test]
async fn claiming_skips_what_waits_and_finds_the_urgent_one_behind_thousands() {
    let (_database, orchestrator) = orchestrator().await;
    let mut graph: Vec<GraphTask> = (0..3000)
        .map(|index| GraphTask {
            key: index.to_string(),
            after: if index > 0 { vec![("0".to_owned(), OnFailure::Block)] } else { Vec::new() },
            task: NewTask {
                priority: Priority::HIGHEST,
                ..NewTask::new(index.to_string()).for_role("nobody")
            },
        })
        .collect();
    graph.push(GraphTask {
        key: "low".to_owned(),
        after: Vec::new(),
        task: NewTask { priority: Priority::LOWEST, ..NewTask::new("low").for_role("executor") },
    });
    let made = orchestrator.create_graph(graph).await.unwrap();
    let claimed = claim(&orchestrator).await;
    assert_eq!(claimed.task.task_id, made.tasks["low"]);
    let base: &TaskId = &made.tasks["0"];
    let base = orchestrator.get_task(base).await.unwrap().unwrap();
    assert_eq!((base.status, base.is_ready), (TaskStatus::Pending, true));
}

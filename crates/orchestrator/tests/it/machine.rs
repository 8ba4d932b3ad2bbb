//! The state machine against a model of it, over random histories of a small graph.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_turbo_orchestrator::{
    Claimant, Failure, GraphTask, Heartbeat, LeaseToken, NewTask, OnFailure, Orchestrator, Progress, TaskId,
    TaskStatus, Verdict,
};
use agent_turbo_test_support::TestDatabase;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::support::{LEASE, of_role};

const TASKS: usize = 4;
const MAX_ATTEMPTS: i32 = 2;

/// Something that somebody does to a task, or to the queue. Tokens are those of the n-th claim of the task.
#[derive(Debug, Clone)]
enum Deed {
    Claim,
    Complete(usize, usize),
    Fail {
        task: usize,
        token: usize,
        retryable: bool,
    },
    Release(usize, usize),
    Block(usize, Option<usize>),
    Unblock(usize),
    Cancel(usize),
    Retry(usize),
    Revise(usize),
    Heartbeat(usize, usize),
    /// The lease ends and somebody looks after the tasks.
    Expire(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let (task, token) = (0..TASKS, 0..4_usize);
    prop_oneof![
        6 => Just(Deed::Claim),
        6 => (task.clone(), token.clone()).prop_map(|(task, token)| Deed::Complete(task, token)),
        3 => (task.clone(), token.clone(), any::<bool>())
            .prop_map(|(task, token, retryable)| Deed::Fail { task, token, retryable }),
        2 => (task.clone(), token.clone()).prop_map(|(task, token)| Deed::Release(task, token)),
        2 => (task.clone(), proptest::option::of(token.clone())).prop_map(|(task, token)| Deed::Block(task, token)),
        2 => task.clone().prop_map(Deed::Unblock),
        1 => task.clone().prop_map(Deed::Cancel),
        2 => task.clone().prop_map(Deed::Retry),
        2 => task.clone().prop_map(Deed::Revise),
        1 => (task.clone(), token).prop_map(|(task, token)| Deed::Heartbeat(task, token)),
        2 => task.prop_map(Deed::Expire),
    ]
}

/// Which tasks come before which, and what their failure does: 0 → 1 (block), 0 → 2 (fail), 1 and 2 → 3 (block).
const EDGES: [(usize, usize, OnFailure); 4] =
    [(0, 1, OnFailure::Block), (0, 2, OnFailure::Fail), (1, 3, OnFailure::Block), (2, 3, OnFailure::Block)];

#[derive(Debug, Clone)]
struct Model {
    status: TaskStatus,
    round: i32,
    attempts: i32,
    max_attempts: i32,
    /// The claim whose token holds the task.
    held: Option<usize>,
    /// The claim whose token made the last change of state.
    presented: Option<usize>,
    claims: usize,
}

#[derive(Debug)]
struct World(Vec<Model>);

impl World {
    fn new() -> Self {
        let task = Model {
            status: TaskStatus::Pending,
            round: 1,
            attempts: 0,
            max_attempts: MAX_ATTEMPTS,
            held: None,
            presented: None,
            claims: 0,
        };
        Self(vec![task; TASKS])
    }

    fn unmet(&self, task: usize) -> usize {
        EDGES
            .iter()
            .filter(|(before, after, _)| *after == task && self.0[*before].status != TaskStatus::Completed)
            .count()
    }

    fn is_ready(&self, task: usize) -> bool {
        self.0[task].status == TaskStatus::Pending && self.unmet(task) == 0
    }

    fn enter(&mut self, task: usize, status: TaskStatus, presented: Option<usize>) {
        let model = &mut self.0[task];
        model.status = status;
        model.held = None;
        model.presented = presented;
        if matches!(status, TaskStatus::Failed | TaskStatus::Cancelled) {
            for (before, after, policy) in EDGES {
                let waits = matches!(self.0[after].status, TaskStatus::Pending | TaskStatus::Blocked);
                if before == task && policy == OnFailure::Fail && waits {
                    self.enter(after, TaskStatus::Failed, None);
                }
            }
        }
    }

    fn reopen(&mut self, task: usize) {
        let model = &mut self.0[task];
        model.round += 1;
        model.max_attempts = model.max_attempts.max(model.attempts + 1);
        self.enter(task, TaskStatus::Pending, None);
    }

    /// Whether a claim's token holds the task.
    fn holds(&self, task: usize, token: usize) -> bool {
        self.0[task].held == Some(token)
    }

    /// Whether a change with this token is the repetition of one that was made.
    fn repeats(&self, task: usize, token: usize, states: &[TaskStatus]) -> bool {
        self.0[task].presented == Some(token) && states.contains(&self.0[task].status)
    }
}

struct Bench {
    orchestrator: Orchestrator,
    client: tokio_postgres::Client,
    claimant: Claimant,
    ids: Vec<TaskId>,
    tokens: BTreeMap<(usize, usize), LeaseToken>,
    nobodys: LeaseToken,
}

impl Bench {
    async fn new(orchestrator: &Orchestrator, client: tokio_postgres::Client, project: String) -> Self {
        let graph = (0..TASKS)
            .map(|task| GraphTask {
                key: task.to_string(),
                after: EDGES
                    .iter()
                    .filter(|(_, after, _)| *after == task)
                    .map(|(before, _, policy)| (before.to_string(), *policy))
                    .collect(),
                task: NewTask {
                    project: Some(project.clone()),
                    max_attempts: Some(MAX_ATTEMPTS),
                    ..NewTask::new(task.to_string())
                },
            })
            .collect();
        let made = orchestrator.create_graph(graph).await.unwrap();
        Self {
            orchestrator: orchestrator.clone(),
            client,
            claimant: Claimant { project, ..of_role("executor") },
            ids: (0..TASKS).map(|task| made.tasks[&task.to_string()].clone()).collect(),
            tokens: BTreeMap::new(),
            nobodys: "00000000-0000-4000-8000-000000000000".parse().unwrap(),
        }
    }

    fn token(&self, task: usize, claim: usize) -> LeaseToken {
        self.tokens.get(&(task, claim)).copied().unwrap_or(self.nobodys)
    }

    /// Does it in the database and in the model, and holds the answers against each other.
    async fn run(&mut self, deed: &Deed, world: &mut World) {
        let orchestrator = self.orchestrator.clone();
        match *deed {
            Deed::Claim => {
                let expected = (0..TASKS).find(|task| world.is_ready(*task));
                let claimed = orchestrator.claim_task(&self.claimant, LEASE).await.unwrap();
                let got =
                    claimed.as_ref().map(|claimed| claimed.task.task_description.parse::<usize>().unwrap());
                assert_eq!(got, expected);
                if let (Some(task), Some(claimed)) = (got, claimed) {
                    let model = &mut world.0[task];
                    self.tokens.insert((task, model.claims), claimed.lease.token);
                    model.status = TaskStatus::InProgress;
                    model.attempts += 1;
                    model.held = Some(model.claims);
                    model.presented = None;
                    model.claims += 1;
                }
            }
            Deed::Complete(task, token) => {
                let done = orchestrator.complete_task(&self.ids[task], self.token(task, token), None).await;
                if world.holds(task, token) {
                    done.unwrap();
                    world.enter(task, TaskStatus::Completed, Some(token));
                } else {
                    assert_eq!(done.is_ok(), world.repeats(task, token, &[TaskStatus::Completed]));
                }
            }
            Deed::Fail { task, token, retryable } => {
                let failure = if retryable {
                    Failure::Retryable { after: Some(Duration::ZERO) }
                } else {
                    Failure::Final
                };
                let failed =
                    orchestrator.fail_task(&self.ids[task], self.token(task, token), "no", failure).await;
                if world.holds(task, token) {
                    failed.unwrap();
                    let again = retryable && world.0[task].attempts < world.0[task].max_attempts;
                    let status = if again { TaskStatus::Pending } else { TaskStatus::Failed };
                    world.enter(task, status, Some(token));
                } else {
                    let states = [TaskStatus::Failed, TaskStatus::Pending];
                    assert_eq!(failed.is_ok(), world.repeats(task, token, &states));
                }
            }
            Deed::Release(task, token) => {
                let released =
                    orchestrator.release_task(&self.ids[task], self.token(task, token), None).await;
                if world.holds(task, token) {
                    released.unwrap();
                    world.0[task].attempts -= 1;
                    world.enter(task, TaskStatus::Pending, Some(token));
                } else {
                    assert_eq!(released.is_ok(), world.repeats(task, token, &[TaskStatus::Pending]));
                }
            }
            Deed::Block(task, token) => {
                let shown = token.map(|token| self.token(task, token));
                let blocked = orchestrator.block_task(&self.ids[task], shown, "wait", None).await;
                match (world.0[task].status, token) {
                    (TaskStatus::Pending, None) => {
                        blocked.unwrap();
                        world.enter(task, TaskStatus::Blocked, None);
                    }
                    (TaskStatus::Blocked, None) => drop(blocked.unwrap()),
                    (_, Some(token)) if world.holds(task, token) => {
                        blocked.unwrap();
                        world.0[task].attempts -= 1;
                        world.enter(task, TaskStatus::Blocked, Some(token));
                    }
                    (_, Some(token)) => {
                        assert_eq!(blocked.is_ok(), world.repeats(task, token, &[TaskStatus::Blocked]));
                    }
                    (_, None) => assert!(blocked.is_err()),
                }
            }
            Deed::Unblock(task) => {
                let unblocked = orchestrator.unblock_task(&self.ids[task], None).await;
                match world.0[task].status {
                    TaskStatus::Blocked => {
                        unblocked.unwrap();
                        world.enter(task, TaskStatus::Pending, None);
                    }
                    status => assert_eq!(unblocked.is_ok(), status == TaskStatus::Pending),
                }
            }
            Deed::Cancel(task) => {
                let cancelled = orchestrator.cancel_task(&self.ids[task], None, None).await;
                match world.0[task].status {
                    TaskStatus::Completed | TaskStatus::Failed => assert!(cancelled.is_err()),
                    TaskStatus::Cancelled => drop(cancelled.unwrap()),
                    _ => {
                        cancelled.unwrap();
                        world.enter(task, TaskStatus::Cancelled, None);
                    }
                }
            }
            Deed::Retry(task) => {
                let retried = orchestrator.retry_task(&self.ids[task], None, None).await;
                if matches!(world.0[task].status, TaskStatus::Failed | TaskStatus::Cancelled) {
                    retried.unwrap();
                    world.reopen(task);
                } else {
                    assert!(retried.is_err());
                }
            }
            Deed::Revise(task) => {
                let reviewer = "an_auditor_1".parse().unwrap();
                // Notes of its own, so that it is never taken for a repetition.
                let notes = format!("round {}", world.0[task].round);
                let revised = orchestrator
                    .review_task(&self.ids[task], Verdict::NeedsRevision, Some(&notes), &reviewer)
                    .await;
                if world.0[task].status == TaskStatus::Completed {
                    revised.unwrap();
                    world.reopen(task);
                } else {
                    assert!(revised.is_err());
                }
            }
            Deed::Heartbeat(task, token) => {
                let beat = orchestrator
                    .heartbeat_task(&self.ids[task], self.token(task, token), LEASE, Progress::default())
                    .await;
                match world.0[task].status {
                    TaskStatus::Cancelled => assert!(matches!(beat, Ok(Heartbeat::Cancelled { .. }))),
                    _ => assert_eq!(beat.is_ok(), world.holds(task, token)),
                }
            }
            Deed::Expire(task) => {
                let expired = self
                    .client
                    .execute(
                        "UPDATE agent_tasks SET lease_expires_at = now() - interval '1 second'
                         WHERE task_id = $1 AND status = 'in_progress'",
                        &[&self.ids[task].as_str()],
                    )
                    .await
                    .unwrap();
                orchestrator.look_after_tasks().await.unwrap();
                if expired > 0 {
                    let again = world.0[task].attempts < world.0[task].max_attempts;
                    world.enter(task, if again { TaskStatus::Pending } else { TaskStatus::Failed }, None);
                }
            }
        }
        // The pause after a failure is not the model's matter.
        self.client
            .execute(
                "UPDATE agent_tasks SET run_after = NULL WHERE project = $1 AND run_after IS NOT NULL",
                &[&self.claimant.project],
            )
            .await
            .unwrap();
        for (task, model) in world.0.iter().enumerate() {
            let stored = orchestrator.get_task(&self.ids[task]).await.unwrap().unwrap();
            let got =
                (stored.status, stored.round, stored.attempts, stored.unmet_dependencies, stored.is_ready);
            let unmet = i32::try_from(world.unmet(task)).unwrap();
            let expected = (model.status, model.round, model.attempts, unmet, world.is_ready(task));
            assert_eq!(got, expected, "task {task}");
        }
    }
}

#[test]
fn whatever_is_done_in_whatever_order_the_database_and_the_model_agree() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (database, orchestrator) = runtime.block_on(async {
        let database = TestDatabase::migrated().await.unwrap();
        let db = database.connect(vec![]).await.unwrap();
        (database, Orchestrator::new(db))
    });
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 60,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let projects = std::sync::atomic::AtomicU32::new(0);
    runner
        .run(&proptest::collection::vec(deed(), 1..40), |deeds| {
            let project = format!("case {}", projects.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            runtime.block_on(async {
                let client = database.client().await.unwrap();
                let mut bench = Bench::new(&orchestrator, client, project).await;
                let mut world = World::new();
                for deed in &deeds {
                    bench.run(deed, &mut world).await;
                }
            });
            Ok(())
        })
        .unwrap();
}

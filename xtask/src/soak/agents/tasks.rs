use std::time::Duration;

use agent_turbo_orchestrator::{
    Claimant, ClaimedTask, Failure, GraphTask, NewTask, OnFailure, Progress, SessionId, TaskStatus,
};
use rand::RngExt as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Agent;
use crate::soak::event::{Fact, Op};

/// Where all tasks are, and whose they are.
pub(in crate::soak) const PROJECT: &str = "soak";
pub(in crate::soak) const ROLE: &str = "executor";

/// Short, so that what a killed worker held is soon done by another.
const LEASE: Duration = Duration::from_secs(4);
const WAIT: Duration = Duration::from_millis(300);
/// Nothing that depends on others runs out of attempts.
const ATTEMPTS: i32 = 100;

impl Agent {
    /// A task of its own; now and then once more by the same key.
    pub(super) async fn create_task(&mut self, session: &SessionId) {
        let key = self.unique();
        let alone = self.random.random_range(0..10) == 0;
        let new = NewTask {
            session_id: Some(session.clone()),
            project: Some(PROJECT.to_owned()),
            idempotency_key: Some(key.clone()),
            max_attempts: Some(ATTEMPTS),
            metadata: Some(json!({ "may_fail": alone })),
            ..NewTask::new(format!("do {key}")).for_role(ROLE)
        };
        let orchestrator = &self.process.orchestrator;
        let mut known: Option<String> = None;
        for _ in 0..if self.random.random_range(0..5) == 0 { 2 } else { 1 } {
            let created = self
                .insist(Op::CreateTask, None, || async { Ok(orchestrator.create_task(new.clone()).await?) })
                .await;
            let Some(created) = created else { return };
            let task = created.task.task_id.to_string();
            if known.as_ref().is_some_and(|known| *known != task || created.created) {
                self.sink.violation(format!("the key {key} stands for two tasks: {known:?} and {task}"));
            }
            self.sink.fact(Fact::Created { key: key.clone(), task: task.clone() });
            known = Some(task);
        }
    }

    /// Some tasks, each after some of those before it.
    pub(super) async fn create_graph(&mut self, session: &SessionId) {
        let keys: Vec<String> = (0..self.random.random_range(3..7)).map(|_| self.unique()).collect();
        let graph: Vec<GraphTask> = keys
            .iter()
            .enumerate()
            .map(|(index, key)| GraphTask {
                key: key.clone(),
                after: (0..index)
                    .filter(|_| self.random.random_range(0..2) == 0)
                    .map(|before| (keys[before].clone(), OnFailure::Block))
                    .collect(),
                task: NewTask {
                    session_id: Some(session.clone()),
                    project: Some(PROJECT.to_owned()),
                    idempotency_key: Some(key.clone()),
                    max_attempts: Some(ATTEMPTS),
                    ..NewTask::new(format!("do {key}")).for_role(ROLE)
                },
            })
            .collect();
        let orchestrator = &self.process.orchestrator;
        let created = self
            .insist(Op::CreateGraph, None, || async { Ok(orchestrator.create_graph(graph.clone()).await?) })
            .await;
        for (key, task) in created.into_iter().flat_map(|created| created.tasks) {
            self.sink.fact(Fact::Created { key, task: task.to_string() });
        }
    }

    /// Claims a task and brings it to one of the ends that it may have.
    pub(super) async fn do_a_task(&mut self, session: &SessionId) {
        let claimant = Claimant {
            session_id: Some(session.clone()),
            project: PROJECT.to_owned(),
            role: ROLE.to_owned(),
            platform: None,
        };
        let asked = Instant::now();
        let orchestrator = &self.process.orchestrator;
        let claimed = self
            .insist(Op::Claim, None, || async {
                Ok(orchestrator.wait_for_task(&claimant, LEASE, WAIT).await?)
            })
            .await;
        // From when it was asked for: it did not begin before.
        let Some(Some(claimed)) = claimed else { return };
        let mut ends = asked + LEASE;
        match self.random.random_range(0..20) {
            // Its lease ends by itself, or with the session.
            0 => return,
            1 => return self.release(&claimed, ends).await,
            2 => return self.fail(&claimed, ends, true).await,
            3 if claimed.task.metadata["may_fail"] == Value::Bool(true) => {
                return self.fail(&claimed, ends, false).await;
            }
            4..8 => {
                let beaten = Instant::now();
                if self.heartbeat(&claimed, ends).await {
                    ends = beaten + LEASE;
                }
            }
            _ => {}
        }
        self.complete(&claimed, ends).await;
    }

    async fn heartbeat(&self, claimed: &ClaimedTask, ends: Instant) -> bool {
        let progress = Progress { percentage: Some(50), current_step: Some("half way".to_owned()) };
        let lease = &claimed.lease;
        self.insist(Op::Heartbeat, Some(ends), || async {
            let orchestrator = &self.process.orchestrator;
            Ok(orchestrator.heartbeat_task(&lease.task_id, lease.token, LEASE, progress.clone()).await?)
        })
        .await
        .is_some()
    }

    async fn complete(&mut self, claimed: &ClaimedTask, ends: Instant) {
        let (lease, nonce) = (&claimed.lease, self.unique());
        let output = json!({ "by": lease.task_id, "nonce": nonce });
        let completed = self
            .insist(Op::Complete, Some(ends), || async {
                let orchestrator = &self.process.orchestrator;
                Ok(orchestrator.complete_task(&lease.task_id, lease.token, Some(output.clone())).await?)
            })
            .await;
        if let Some(task) = completed {
            if task.output_data.as_ref() != Some(&output) {
                self.sink.violation(format!("{} was completed with another result", lease.task_id));
            }
            self.sink.fact(Fact::Completed { task: lease.task_id.to_string(), nonce });
        }
    }

    async fn fail(&self, claimed: &ClaimedTask, ends: Instant, again: bool) {
        let lease = &claimed.lease;
        let failure = if again {
            Failure::Retryable { after: Some(Duration::from_millis(100)) }
        } else {
            Failure::Final
        };
        let failed = self
            .insist(Op::Fail, Some(ends), || async {
                let orchestrator = &self.process.orchestrator;
                Ok(orchestrator.fail_task(&lease.task_id, lease.token, "it did not work", failure).await?)
            })
            .await;
        if failed.is_some_and(|task| !again && task.status == TaskStatus::Failed) {
            self.sink.fact(Fact::GaveUp { task: lease.task_id.to_string() });
        }
    }

    async fn release(&self, claimed: &ClaimedTask, ends: Instant) {
        let lease = &claimed.lease;
        self.insist(Op::Release, Some(ends), || async {
            let orchestrator = &self.process.orchestrator;
            Ok(orchestrator.release_task(&lease.task_id, lease.token, Some("not mine")).await?)
        })
        .await;
    }
}

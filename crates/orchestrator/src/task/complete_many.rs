use std::collections::HashMap;

use agent_turbo_redact::redact_json;
use serde_json::Value;
use uuid::Uuid;

use crate::ids::TaskId;
use crate::json::check_json;
use crate::task::{LeaseToken, Task, TaskStatus, columns};
use crate::{Error, Orchestrator, Result};

/// Completions that one call takes.
const MAX_COMPLETIONS: usize = 1000;

/// A task that is done, and what came out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The task.
    pub task_id: TaskId,
    /// What proves that it is held.
    pub token: LeaseToken,
    /// Its result.
    pub output: Option<Value>,
}

impl Orchestrator {
    /// Completes up to 1000 tasks in one statement, for machines that claim many at once. Each has an outcome of its own,
    /// as from [`Self::complete_task`], in the order given.
    #[tracing::instrument(name = "orchestrator.complete_tasks", skip_all, fields(count = completions.len()))]
    pub async fn complete_tasks(&self, mut completions: Vec<Completion>) -> Result<Vec<Result<Task>>> {
        if completions.len() > MAX_COMPLETIONS {
            return Err(Error::bad_input(
                "the completions",
                format!("{} are more than {MAX_COMPLETIONS}", completions.len()),
            ));
        }
        for completion in &mut completions {
            if let Some(output) = &mut completion.output {
                check_json("the task's output", output)?;
                redact_json(output);
            }
        }
        let ids: Vec<&str> = completions.iter().map(|completion| completion.task_id.as_str()).collect();
        let tokens: Vec<Uuid> = completions.iter().map(|completion| completion.token.0).collect();
        let outputs: Vec<&Option<Value>> = completions.iter().map(|completion| &completion.output).collect();
        // Locked in one order before anything is changed, so that batches never wait for each other in a circle.
        let rows = self
            .changing()
            .query(
                "complete_tasks",
                concat!(
                    "-- complete_tasks
                     WITH done AS MATERIALIZED (
                         SELECT t.id, given.token, given.output
                         FROM unnest($1::text[], $2::uuid[], $3::jsonb[]) AS given (task_id, token, output)
                         JOIN agent_tasks t ON t.task_id = given.task_id
                         WHERE t.lease_token = given.token
                         ORDER BY t.id FOR UPDATE OF t
                     )
                     UPDATE agent_tasks t
                     SET status = 'completed', presented_token = done.token,
                         output_data = coalesce(done.output, t.output_data)
                     FROM done WHERE t.id = done.id
                     RETURNING ",
                    columns!()
                ),
                &[&ids, &tokens, &outputs],
            )
            .await?;
        let mut done = HashMap::with_capacity(rows.len());
        for row in &rows {
            let task = Task::from_row(row)?;
            done.insert(task.task_id.clone(), task);
        }
        let mut outcomes = Vec::with_capacity(completions.len());
        for Completion { task_id, token, .. } in &completions {
            outcomes.push(match done.remove(task_id) {
                Some(task) => Ok(task),
                None => self.presented_before(task_id, *token, &[TaskStatus::Completed]).await,
            });
        }
        Ok(outcomes)
    }
}

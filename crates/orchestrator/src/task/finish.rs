use std::time::Duration;

use agent_turbo_db::RowExt;
use agent_turbo_redact::{redact, redact_json};
use serde_json::Value;

use crate::ids::TaskId;
use crate::json::check_json;
use crate::name::check_text;
use crate::task::{LeaseToken, Task, TaskStatus, columns};
use crate::{Error, Orchestrator, Result};

const MAX_ERROR_BYTES: usize = 100_000;

/// What a failed attempt leaves to hope for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Another attempt may succeed: after a growing pause, or after this one.
    Retryable {
        /// The pause; without it 1 s after the first attempt, doubled by each further one, at most 5 min.
        after: Option<Duration>,
    },
    /// No attempt will succeed.
    Final,
}

impl Orchestrator {
    /// The task is done. Secrets in `output` are replaced before it is stored. A repetition with the same token is
    /// answered as the first time.
    ///
    /// # Errors
    /// [`Error::LostLease`] when somebody else has the task by now, or nobody; then nothing was changed.
    #[tracing::instrument(name = "orchestrator.complete_task", skip_all, fields(%task))]
    pub async fn complete_task(
        &self,
        task: &TaskId,
        token: LeaseToken,
        mut output: Option<Value>,
    ) -> Result<Task> {
        if let Some(output) = &mut output {
            check_json("the task's output", output)?;
            redact_json(output);
        }
        let row = self
            .changing()
            .query_opt(
                "complete_task",
                concat!(
                    "-- complete_task
                     UPDATE agent_tasks t
                     SET status = 'completed', presented_token = $2, output_data = coalesce($3, t.output_data)
                     WHERE t.task_id = $1 AND t.lease_token = $2
                     RETURNING ",
                    columns!()
                ),
                &[&task.as_str(), &token.0, &output],
            )
            .await?;
        match row {
            Some(row) => Ok(Task::from_row(&row)?),
            None => self.presented_before(task, token, &[TaskStatus::Completed]).await,
        }
    }

    /// The attempt failed. While attempts are left a retryable failure puts the task back into the queue.
    ///
    /// # Errors
    /// [`Error::LostLease`] as for [`Self::complete_task`].
    #[tracing::instrument(name = "orchestrator.fail_task", skip_all, fields(%task))]
    pub async fn fail_task(
        &self,
        task: &TaskId,
        token: LeaseToken,
        error: &str,
        failure: Failure,
    ) -> Result<Task> {
        check_text("the error", error, MAX_ERROR_BYTES)?;
        let error = redact(error).text.into_owned();
        let (retryable, pause) = match failure {
            Failure::Retryable { after } => (true, after.map(|after| after.as_secs_f64())),
            Failure::Final => (false, None),
        };
        let row = self
            .changing()
            .query_opt(
                "fail_task",
                concat!(
                    "-- fail_task
                     UPDATE agent_tasks t
                     SET status = CASE WHEN again THEN 'pending' ELSE 'failed' END, presented_token = $2,
                         error_message = $3,
                         status_reason = CASE WHEN again THEN 'failed, and is tried again'
                                              WHEN $4 THEN 'failed in its last attempt' ELSE 'failed for good' END,
                         run_after = CASE WHEN again THEN now() + make_interval(secs =>
                             coalesce($5, least(300, power(2, least(t.attempts, 10) - 1)))) END
                     FROM (SELECT id, $4 AND attempts < max_attempts AND coalesce(deadline > now(), true) AS again
                           FROM agent_tasks WHERE task_id = $1) attempt
                     WHERE t.id = attempt.id AND t.lease_token = $2
                     RETURNING ",
                    columns!()
                ),
                &[&task.as_str(), &token.0, &error, &retryable, &pause],
            )
            .await?;
        match row {
            Some(row) => Ok(Task::from_row(&row)?),
            None => self.presented_before(task, token, &[TaskStatus::Failed, TaskStatus::Pending]).await,
        }
    }

    /// The task, if it came into one of `states` by this token; else the lease is lost.
    pub(crate) async fn presented_before(
        &self,
        task: &TaskId,
        token: LeaseToken,
        states: &[TaskStatus],
    ) -> Result<Task> {
        let row = self
            .db
            .query_opt(
                "presented_before",
                concat!(
                    "-- presented_before
                     SELECT t.presented_token IS NOT DISTINCT FROM $2::uuid AS presented, ",
                    columns!(),
                    " FROM agent_tasks t WHERE t.task_id = $1"
                ),
                &[&task.as_str(), &token.0],
            )
            .await?
            .ok_or_else(|| Error::UnknownTask(task.clone()))?;
        let stored = Task::from_row(&row)?;
        if row.column("presented")? && states.contains(&stored.status) {
            return Ok(stored);
        }
        Err(Error::lost_lease(&stored))
    }
}

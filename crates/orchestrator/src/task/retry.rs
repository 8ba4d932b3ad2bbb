use crate::ids::{SessionId, TaskId};
use crate::name::check_text;
use crate::task::release::MAX_REASON_BYTES;
use crate::task::state::acting;
use crate::task::{Task, columns};
use crate::{Error, Orchestrator, Result};

impl Orchestrator {
    /// Puts a failed or cancelled task back into the queue, for another round. Its attempts and its history stay; at
    /// least one attempt more is allowed, and a deadline that has passed no longer counts.
    ///
    /// # Errors
    /// [`Error::TaskState`] when it is neither.
    #[tracing::instrument(name = "orchestrator.retry_task", skip_all, fields(%task))]
    pub async fn retry_task(
        &self,
        task: &TaskId,
        reason: Option<&str>,
        by: Option<&SessionId>,
    ) -> Result<Task> {
        if let Some(reason) = reason {
            check_text("the reason", reason, MAX_REASON_BYTES)?;
        }
        let row = self
            .changing()
            .query_opt(
                "retry_task",
                concat!(
                    "-- retry_task
                     UPDATE agent_tasks t
                     SET status = 'pending', round = t.round + 1, status_reason = coalesce($2, 'retried by hand'),
                         run_after = NULL, deadline = CASE WHEN t.deadline > now() THEN t.deadline END
                     FROM ",
                    acting!("$3"),
                    " WHERE t.task_id = $1 AND t.status IN ('failed', 'cancelled') RETURNING ",
                    columns!()
                ),
                &[&task.as_str(), &reason, &by.map(SessionId::as_str)],
            )
            .await?;
        match row {
            Some(row) => Ok(Task::from_row(&row)?),
            None => match self.get_task(task).await? {
                None => Err(Error::UnknownTask(task.clone())),
                Some(stored) => {
                    Err(Error::TaskState { task: task.clone(), status: stored.status, change: "retried" })
                }
            },
        }
    }
}

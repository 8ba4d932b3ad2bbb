use crate::ids::{SessionId, TaskId};
use crate::name::check_text;
use crate::task::state::acting;
use crate::task::{LeaseToken, Task, TaskStatus, columns};
use crate::{Error, Orchestrator, Result};

pub(crate) const MAX_REASON_BYTES: usize = 10_000;

impl Orchestrator {
    /// Gives a task back unharmed: it is ready at once, and the attempt does not count.
    ///
    /// # Errors
    /// [`Error::LostLease`] when somebody else has the task by now, or nobody.
    #[tracing::instrument(name = "orchestrator.release_task", skip_all, fields(%task))]
    pub async fn release_task(&self, task: &TaskId, token: LeaseToken, reason: Option<&str>) -> Result<Task> {
        if let Some(reason) = reason {
            check_text("the reason", reason, MAX_REASON_BYTES)?;
        }
        let row = self
            .changing()
            .query_opt(
                "release_task",
                concat!(
                    "-- release_task
                     UPDATE agent_tasks t
                     SET status = 'pending', presented_token = $2, status_reason = coalesce($3, 'released'),
                         attempts = greatest(t.attempts - 1, 0), progress_percentage = 0, current_step = NULL
                     WHERE t.task_id = $1 AND t.lease_token = $2
                     RETURNING ",
                    columns!()
                ),
                &[&task.as_str(), &token.0, &reason],
            )
            .await?;
        match row {
            Some(row) => Ok(Task::from_row(&row)?),
            None => self.presented_before(task, token, &[TaskStatus::Pending]).await,
        }
    }

    /// Takes a task out of the queue until somebody unblocks it. One that is being worked on is blocked by its holder,
    /// with `token`; its attempt does not count.
    ///
    /// # Errors
    /// [`Error::LostLease`] for a wrong token, [`Error::TaskState`] when the task is held or finished.
    #[tracing::instrument(name = "orchestrator.block_task", skip_all, fields(%task))]
    pub async fn block_task(
        &self,
        task: &TaskId,
        token: Option<LeaseToken>,
        reason: &str,
        by: Option<&SessionId>,
    ) -> Result<Task> {
        check_text("the reason", reason, MAX_REASON_BYTES)?;
        let row = self
            .changing()
            .query_opt(
                "block_task",
                concat!(
                    "-- block_task
                     UPDATE agent_tasks t
                     SET status = 'blocked', presented_token = $2, status_reason = $3,
                         attempts = CASE t.status WHEN 'in_progress' THEN greatest(t.attempts - 1, 0)
                                                  ELSE t.attempts END
                     FROM ",
                    acting!("$4"),
                    " WHERE t.task_id = $1
                          AND (t.status = 'pending' AND $2::uuid IS NULL
                               OR t.lease_token = $2)
                      RETURNING ",
                    columns!()
                ),
                &[&task.as_str(), &token.map(|token| token.0), &reason, &by.map(SessionId::as_str)],
            )
            .await?;
        if let Some(row) = row {
            return Ok(Task::from_row(&row)?);
        }
        if let Some(token) = token {
            return self.presented_before(task, token, &[TaskStatus::Blocked]).await;
        }
        self.already(task, TaskStatus::Blocked, "blocked").await
    }

    /// Puts a blocked task back into the queue.
    ///
    /// # Errors
    /// [`Error::TaskState`] when it is not blocked.
    #[tracing::instrument(name = "orchestrator.unblock_task", skip_all, fields(%task))]
    pub async fn unblock_task(&self, task: &TaskId, by: Option<&SessionId>) -> Result<Task> {
        let row = self
            .changing()
            .query_opt(
                "unblock_task",
                concat!(
                    "-- unblock_task
                     UPDATE agent_tasks t SET status = 'pending' FROM ",
                    acting!("$2"),
                    " WHERE t.task_id = $1 AND t.status = 'blocked' RETURNING ",
                    columns!()
                ),
                &[&task.as_str(), &by.map(SessionId::as_str)],
            )
            .await?;
        match row {
            Some(row) => Ok(Task::from_row(&row)?),
            None => self.already(task, TaskStatus::Pending, "unblocked").await,
        }
    }

    /// The task, if it is in the wanted state already; else it is in one that does not allow it.
    pub(crate) async fn already(
        &self,
        task: &TaskId,
        wanted: TaskStatus,
        change: &'static str,
    ) -> Result<Task> {
        match self.get_task(task).await? {
            None => Err(Error::UnknownTask(task.clone())),
            Some(stored) if stored.status == wanted => Ok(stored),
            Some(stored) => Err(Error::TaskState { task: task.clone(), status: stored.status, change }),
        }
    }
}

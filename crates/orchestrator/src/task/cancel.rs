use agent_turbo_db::RowExt;
use serde::Serialize;

use crate::ids::{SessionId, TaskId};
use crate::name::check_text;
use crate::task::release::MAX_REASON_BYTES;
use crate::task::state::acting;
use crate::task::{Task, TaskStatus, columns};
use crate::{Orchestrator, Result};

/// A cancelled task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cancelled {
    /// Whether somebody was at it; he learns of it at his next heartbeat.
    pub was_running: bool,
    /// The task.
    #[serde(flatten)]
    pub task: Task,
}

impl Orchestrator {
    /// The task is no longer wanted. Cancelling it again changes nothing.
    ///
    /// # Errors
    /// [`crate::Error::TaskState`] when it is completed or failed.
    #[tracing::instrument(name = "orchestrator.cancel_task", skip_all, fields(%task))]
    pub async fn cancel_task(
        &self,
        task: &TaskId,
        reason: Option<&str>,
        by: Option<&SessionId>,
    ) -> Result<Cancelled> {
        if let Some(reason) = reason {
            check_text("the reason", reason, MAX_REASON_BYTES)?;
        }
        let row = self
            .changing()
            .query_opt(
                "cancel_task",
                concat!(
                    "-- cancel_task
                     WITH before AS MATERIALIZED (
                         SELECT id, status = 'in_progress' AS was_running FROM agent_tasks
                         WHERE task_id = $1 AND status IN ('pending', 'in_progress', 'blocked') FOR UPDATE
                     )
                     UPDATE agent_tasks t SET status = 'cancelled', status_reason = $2
                     FROM before, ",
                    acting!("$3"),
                    " WHERE t.id = before.id RETURNING before.was_running, ",
                    columns!()
                ),
                &[&task.as_str(), &reason, &by.map(SessionId::as_str)],
            )
            .await?;
        match row {
            Some(row) => {
                Ok(Cancelled { was_running: row.column("was_running")?, task: Task::from_row(&row)? })
            }
            None => Ok(Cancelled {
                was_running: false,
                task: self.already(task, TaskStatus::Cancelled, "cancelled").await?,
            }),
        }
    }
}

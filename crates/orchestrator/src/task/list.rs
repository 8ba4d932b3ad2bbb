use agent_turbo_db::RowExt;
use serde::Serialize;

use crate::ids::SessionId;
use crate::task::{Task, TaskStatus, columns};
use crate::{Error, Orchestrator, Result};

const MAX_LIMIT: usize = 1000;

/// Which tasks are meant; what is left out means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Of this project.
    pub project: Option<String>,
    /// In this state.
    pub status: Option<TaskStatus>,
    /// For this role; tasks for any role are not meant.
    pub role: Option<String>,
    /// For this platform; tasks for any platform are not meant.
    pub platform: Option<String>,
    /// Of this type.
    pub task_type: Option<String>,
    /// Made by this session.
    pub session: Option<SessionId>,
    /// Held by this session.
    pub held_by: Option<SessionId>,
    /// That may be claimed right now.
    pub ready: bool,
    /// Whose result this session may audit: completed, not audited yet, and not its own work.
    pub to_audit_by: Option<SessionId>,
}

/// Some tasks, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskPage {
    /// Newest first.
    pub tasks: Vec<Task>,
    /// What to give as `before` for the next page, if there is one.
    pub next: Option<i64>,
}

impl Orchestrator {
    /// Up to `limit` (1 to 1000) tasks, newest first; `before` is the end of an earlier page.
    #[tracing::instrument(name = "orchestrator.list_tasks", skip_all)]
    pub async fn list_tasks(
        &self,
        filter: &TaskFilter,
        limit: usize,
        before: Option<i64>,
    ) -> Result<TaskPage> {
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::bad_input("the limit", format!("{limit} is not between 1 and {MAX_LIMIT}")));
        }
        let rows = self
            .db
            .query(
                "list_tasks",
                concat!(
                    "-- list_tasks
                     SELECT t.id, ",
                    columns!(),
                    " FROM agent_tasks t
                     WHERE ($1::text IS NULL OR t.project = $1)
                         AND ($2::text IS NULL OR t.status = $2)
                         AND ($3::text IS NULL OR t.assigned_to_role = $3)
                         AND ($4::text IS NULL OR t.assigned_to_platform = $4)
                         AND ($5::text IS NULL OR t.task_type = $5)
                         AND ($6::text IS NULL OR t.session_id = $6)
                         AND ($7::text IS NULL OR t.lease_session_id = $7)
                         AND (NOT $8 OR t.is_ready)
                         AND ($11::text IS NULL
                              OR (t.status = 'completed' AND t.review IS NULL AND t.finished_by IS DISTINCT FROM $11))
                         AND ($9::bigint IS NULL
                              OR (t.created_at, t.id) < (SELECT created_at, id FROM agent_tasks WHERE id = $9))
                     ORDER BY t.created_at DESC, t.id DESC
                     LIMIT $10"
                ),
                &[
                    &filter.project,
                    &filter.status.map(TaskStatus::as_str),
                    &filter.role,
                    &filter.platform,
                    &filter.task_type,
                    &filter.session.as_ref().map(SessionId::as_str),
                    &filter.held_by.as_ref().map(SessionId::as_str),
                    &filter.ready,
                    &before,
                    &(limit as i64 + 1),
                    &filter.to_audit_by.as_ref().map(SessionId::as_str),
                ],
            )
            .await?;
        let more = rows.len() > limit;
        let rows = &rows[..rows.len().min(limit)];
        let next = if more { rows.last().map(|row| row.column("id")).transpose()? } else { None };
        let tasks = rows.iter().map(Task::from_row).collect::<agent_turbo_db::Result<_>>()?;
        Ok(TaskPage { tasks, next })
    }
}

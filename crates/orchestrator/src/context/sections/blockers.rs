use agent_turbo_db::{Client, Result, Row, RowExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Item, read};
use crate::{TaskId, TaskStatus};

/// Blockers at the most.
pub const MAX_BLOCKERS: usize = 10;

/// A task that stops work: it is blocked, or it failed or was cancelled and others wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextBlocker {
    /// Its id.
    pub task_id: TaskId,
    /// What kind of task it is.
    pub task_type: String,
    /// The beginning of what was to be done.
    pub task_description: String,
    /// Its state.
    pub status: TaskStatus,
    /// Why, where somebody said so.
    pub status_reason: Option<String>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Broken tasks that nobody waits for are passed over, but not for ever: of each state the newest 200 are looked at.
pub(in crate::context) async fn blockers(client: &Client, project: &str) -> Result<Vec<ContextBlocker>> {
    read(
        client,
        "landing_blockers",
        "-- landing_blockers
         SELECT t.task_id, t.task_type, left(t.task_description, 500) AS task_description, t.status,
                left(coalesce(t.status_reason, t.error_message), 500) AS status_reason, t.updated_at
         FROM (VALUES ('blocked'), ('failed'), ('cancelled')) AS state (name) CROSS JOIN LATERAL (
             SELECT * FROM (
                 SELECT * FROM agent_tasks
                 WHERE project = $1 AND status = state.name AND status IN ('blocked', 'failed', 'cancelled')
                 ORDER BY updated_at DESC LIMIT 200
             ) AS newest
             WHERE state.name = 'blocked' OR EXISTS (
                 SELECT FROM task_dependencies AS e JOIN agent_tasks AS waiting ON waiting.task_id = e.task_id
                 WHERE e.depends_on = newest.task_id AND waiting.status IN ('pending', 'blocked'))
             LIMIT 10
         ) AS t
         ORDER BY t.updated_at DESC, t.id DESC LIMIT 10",
        &[&project],
    )
    .await
}

impl Item for ContextBlocker {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            task_id: TaskId::stored(row.column("task_id")?),
            task_type: row.column("task_type")?,
            task_description: row.column("task_description")?,
            status: row.column("status")?,
            status_reason: row.column("status_reason")?,
            updated_at: row.column("updated_at")?,
        })
    }
}

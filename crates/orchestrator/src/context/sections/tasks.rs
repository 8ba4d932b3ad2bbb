use agent_turbo_db::{Client, Result, Row, RowExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Item, read};
use crate::context::ContextScope;
use crate::{TaskId, TaskStatus};

/// Recent tasks at the most.
pub const MAX_RECENT_TASKS: usize = 10;
/// Ready tasks at the most.
pub const MAX_READY_TASKS: usize = 10;
/// How much of a description or a reason is shown, in characters.
pub const TEXT_CHARS: usize = 500;

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextTask {
    /// Its id.
    pub task_id: TaskId,
    /// What kind of task it is.
    pub task_type: String,
    /// The beginning of what is to be done.
    pub task_description: String,
    /// 1 to 10, 10 first.
    pub task_priority: i32,
    /// Who is to do it; `None` is anybody.
    pub assigned_to_role: Option<String>,
    /// On which platform; `None` is any.
    pub assigned_to_platform: Option<String>,
    /// Its state.
    pub status: TaskStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a [`ContextTask`] is read from, where tasks are `t`.
macro_rules! task_columns {
    () => {
        "t.task_id, t.task_type, left(t.task_description, 500) AS task_description, t.task_priority, \
         t.assigned_to_role, t.assigned_to_platform, t.status, t.created_at, t.updated_at, t.id"
    };
}

pub(in crate::context) async fn recent_tasks(client: &Client, project: &str) -> Result<Vec<ContextTask>> {
    read(
        client,
        "landing_recent_tasks",
        concat!(
            "-- landing_recent_tasks
             SELECT ",
            task_columns!(),
            " FROM agent_tasks AS t WHERE t.project = $1 ORDER BY t.created_at DESC LIMIT 10"
        ),
        &[&project],
    )
    .await
}

/// Those that changed last.
pub(in crate::context) async fn changed_tasks(client: &Client, project: &str) -> Result<Vec<ContextTask>> {
    read(
        client,
        "landing_changed_tasks",
        concat!(
            "-- landing_changed_tasks
             SELECT ",
            task_columns!(),
            " FROM agent_tasks AS t WHERE t.project = $1 ORDER BY t.changed_xid DESC LIMIT 10"
        ),
        &[&project],
    )
    .await
}

/// The best of each lane of the index of ready tasks, and what became due and was not noticed yet. Where any role or
/// platform will do, the index is asked for the next one that there is, up to 256 lanes.
pub(in crate::context) async fn ready_tasks(
    client: &Client,
    scope: &ContextScope,
) -> Result<Vec<ContextTask>> {
    read(
        client,
        "landing_ready_tasks",
        concat!(
            "-- landing_ready_tasks
             WITH RECURSIVE role (name) AS (
                 SELECT ''
                 UNION ALL
                 SELECT CASE
                     WHEN $2::text IS NULL THEN (
                         SELECT coalesce(t.assigned_to_role, '') FROM agent_tasks AS t
                         WHERE t.is_ready AND t.project = $1 AND coalesce(t.assigned_to_role, '') > role.name
                         ORDER BY coalesce(t.assigned_to_role, '') LIMIT 1)
                     WHEN role.name = '' THEN $2 END
                 FROM role WHERE role.name IS NOT NULL
             ), lane (role, platform) AS (
                 SELECT name, '' FROM role WHERE name IS NOT NULL
                 UNION ALL
                 SELECT lane.role, CASE
                     WHEN $3::text IS NULL THEN (
                         SELECT coalesce(t.assigned_to_platform, '') FROM agent_tasks AS t
                         WHERE t.is_ready AND t.project = $1 AND coalesce(t.assigned_to_role, '') = lane.role
                             AND coalesce(t.assigned_to_platform, '') > lane.platform
                         ORDER BY coalesce(t.assigned_to_platform, '') LIMIT 1)
                     WHEN lane.platform = '' THEN $3 END
                 FROM lane WHERE lane.platform IS NOT NULL
             )
             (SELECT best.* FROM (SELECT * FROM lane LIMIT 256) AS lane CROSS JOIN LATERAL (
                  SELECT ",
            task_columns!(),
            " FROM agent_tasks AS t
                  WHERE t.is_ready AND t.project = $1 AND coalesce(t.assigned_to_role, '') = lane.role
                      AND coalesce(t.assigned_to_platform, '') = lane.platform
                  ORDER BY t.task_priority DESC, t.created_at, t.id LIMIT 10) AS best)
             UNION ALL
             (SELECT ",
            task_columns!(),
            " FROM (SELECT * FROM agent_tasks WHERE wake_at <= now() ORDER BY wake_at LIMIT 256) AS t
              WHERE t.status = 'pending' AND t.unmet_dependencies = 0 AND t.run_after <= now() AND t.project = $1
                  AND ($2 IS NULL OR coalesce(t.assigned_to_role, $2) = $2)
                  AND ($3 IS NULL OR coalesce(t.assigned_to_platform, $3) = $3))
             ORDER BY task_priority DESC, created_at, id LIMIT 10"
        ),
        &[&scope.project, &scope.role, &scope.platform],
    )
    .await
}

/// When the next waiting task of the project becomes ready by itself, if it is among the next 256 things to come.
pub(in crate::context) async fn next_due(client: &Client, project: &str) -> Result<Option<Timestamp>> {
    let row = client
        .row(
            "landing_next_due",
            "-- landing_next_due
             SELECT min(run_after) AS due
             FROM (SELECT * FROM agent_tasks WHERE wake_at > now() ORDER BY wake_at LIMIT 256) AS next
             WHERE project = $1 AND status = 'pending' AND run_after > now()",
            &[&project],
        )
        .await?;
    row.map_or(Ok(None), |row| row.column("due"))
}

impl Item for ContextTask {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            task_id: TaskId::stored(row.column("task_id")?),
            task_type: row.column("task_type")?,
            task_description: row.column("task_description")?,
            task_priority: row.column("task_priority")?,
            assigned_to_role: row.column("assigned_to_role")?,
            assigned_to_platform: row.column("assigned_to_platform")?,
            status: row.column("status")?,
            created_at: row.column("created_at")?,
            updated_at: row.column("updated_at")?,
        })
    }
}

use agent_turbo_db::RowExt;
use jiff::Timestamp;
use serde::Serialize;

use crate::ids::{SessionId, TaskId};
use crate::task::{OnFailure, Task, TaskStatus, columns};
use crate::{Error, Orchestrator, Result};

/// Tasks before this one are counted up to here.
const MAX_AHEAD: i64 = 1000;
/// Prerequisites that are named.
const MAX_NAMED: i64 = 10;

/// Why a task is not running: the one reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    /// The task.
    pub task: Task,
    /// The reason.
    #[serde(flatten)]
    pub reason: Reason,
}

/// A prerequisite that is not completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The prerequisite.
    pub task_id: TaskId,
    /// Where it stands.
    pub status: TaskStatus,
    /// What its failure does.
    pub on_failure: OnFailure,
}

/// What keeps a task from running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// Nothing: it is running.
    Running {
        /// Who is at it.
        held_by: Option<SessionId>,
        /// When its lease ends.
        until: Option<Timestamp>,
    },
    /// It has come to its end.
    Finished {
        /// How.
        status: TaskStatus,
        /// When.
        at: Option<Timestamp>,
        /// Why, where somebody said so.
        because: Option<String>,
    },
    /// Somebody blocked it.
    Blocked {
        /// Why.
        because: Option<String>,
    },
    /// Prerequisites are not completed.
    WaitsForTasks {
        /// The first of them: those that failed come first.
        tasks: Vec<Waiting>,
        /// How many there are.
        count: i64,
    },
    /// Its time has not come.
    WaitsForTime {
        /// When it may begin.
        until: Timestamp,
    },
    /// It is ready, and others come first.
    InLine {
        /// How many; counted up to 1000.
        ahead: i64,
    },
    /// It is ready and first in line, and no session of its role and platform is at work.
    NobodyToDoIt,
    /// It is ready and first in line.
    Next,
}

impl Orchestrator {
    /// The one reason why a task is not running, by the rules that claiming goes by.
    #[tracing::instrument(name = "orchestrator.why", skip_all, fields(%task))]
    pub async fn why(&self, task: &TaskId) -> Result<Why> {
        // What a claim would do first, so that both speak of the same state.
        self.look_after_tasks().await?;
        let row = self
            .db
            .query_opt(
                "why",
                concat!(
                    "-- why
                     SELECT ",
                    columns!(),
                    ",
                     (SELECT count(*) FROM task_dependencies e JOIN agent_tasks p ON p.task_id = e.depends_on
                      WHERE e.task_id = t.task_id AND p.status <> 'completed') AS waits_for,
                     (SELECT count(*) FROM (
                          SELECT FROM agent_tasks o
                          WHERE t.is_ready AND o.is_ready AND o.project = t.project
                              AND coalesce(o.assigned_to_role, '') = coalesce(t.assigned_to_role, '')
                              AND coalesce(o.assigned_to_platform, '') = coalesce(t.assigned_to_platform, '')
                              AND (o.task_priority > t.task_priority
                                   OR o.task_priority = t.task_priority AND (o.created_at, o.id) < (t.created_at, t.id))
                          LIMIT $2) before) AS ahead,
                     EXISTS (SELECT FROM agent_sessions s
                             WHERE s.status IN ('active', 'idle') AND s.project = t.project
                                 AND s.agent_role = coalesce(nullif(t.assigned_to_role, ''), s.agent_role)
                                 AND s.agent_platform = coalesce(nullif(t.assigned_to_platform, ''), s.agent_platform)) AS has_workers
                     FROM agent_tasks t WHERE t.task_id = $1"
                ),
                &[&task.as_str(), &MAX_AHEAD],
            )
            .await?
            .ok_or_else(|| Error::UnknownTask(task.clone()))?;
        let stored = Task::from_row(&row)?;
        let reason = match stored.status {
            TaskStatus::InProgress => {
                Reason::Running { held_by: stored.lease_session_id.clone(), until: stored.lease_expires_at }
            }
            TaskStatus::Blocked => Reason::Blocked { because: stored.status_reason.clone() },
            status if status.is_final() => Reason::Finished {
                status,
                at: stored.completed_at,
                because: stored.error_message.clone().or_else(|| stored.status_reason.clone()),
            },
            _ if stored.unmet_dependencies > 0 => {
                Reason::WaitsForTasks { tasks: self.unmet(task).await?, count: row.column("waits_for")? }
            }
            _ => match stored.run_after {
                Some(until) => Reason::WaitsForTime { until },
                None if row.column::<i64>("ahead")? > 0 => Reason::InLine { ahead: row.column("ahead")? },
                None if row.column("has_workers")? => Reason::Next,
                None => Reason::NobodyToDoIt,
            },
        };
        Ok(Why { task: stored, reason })
    }

    async fn unmet(&self, task: &TaskId) -> Result<Vec<Waiting>> {
        let rows = self
            .db
            .query(
                "unmet_dependencies",
                "-- unmet_dependencies
                 SELECT p.task_id, p.status, e.on_failure
                 FROM task_dependencies e JOIN agent_tasks p ON p.task_id = e.depends_on
                 WHERE e.task_id = $1 AND p.status <> 'completed'
                 ORDER BY p.status NOT IN ('failed', 'cancelled'), p.created_at, p.id
                 LIMIT $2",
                &[&task.as_str(), &MAX_NAMED],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Waiting {
                    task_id: TaskId::stored(row.column("task_id")?),
                    status: row.column("status")?,
                    on_failure: row.column("on_failure")?,
                })
            })
            .collect()
    }
}

impl Why {
    /// The reason as a sentence, with the way out.
    pub fn explain(&self) -> String {
        let Task { task_id, assigned_to_role, assigned_to_platform, .. } = &self.task;
        match &self.reason {
            Reason::Running { held_by, until } => format!(
                "it is running: {} holds it{}",
                held_by.as_ref().map_or("a worker without a session", SessionId::as_str),
                until.map(|until| format!(" until {}", moment(until))).unwrap_or_default(),
            ),
            Reason::Finished { status, at, because } => format!(
                "it is {status}{}{}{}",
                at.map(|at| format!(" since {}", moment(at))).unwrap_or_default(),
                because.as_ref().map(|because| format!(": {because}")).unwrap_or_default(),
                if *status == TaskStatus::Completed {
                    String::new()
                } else {
                    format!("; `agent-turbo task retry {task_id}` puts it back into the queue")
                },
            ),
            Reason::Blocked { because } => format!(
                "it is blocked{}; `agent-turbo task unblock {task_id}` puts it back into the queue",
                because.as_ref().map(|because| format!(": {because}")).unwrap_or_default(),
            ),
            Reason::WaitsForTasks { tasks, count } => {
                let names: Vec<String> =
                    tasks.iter().map(|waiting| format!("{} ({})", waiting.task_id, waiting.status)).collect();
                let more = *count - tasks.len() as i64;
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let failed = tasks.iter().find(|waiting| waiting.status.is_final());
                let way_out = failed.map_or(String::new(), |waiting| {
                    format!(
                        "; {id} will not complete unless `agent-turbo task retry {id}` starts it again",
                        id = waiting.task_id
                    )
                });
                format!("it waits for {}{more}{way_out}", names.join(", "))
            }
            Reason::WaitsForTime { until } => format!("it may not begin before {}", moment(*until)),
            Reason::InLine { ahead } if *ahead >= MAX_AHEAD => {
                format!("it is ready, and {ahead} or more tasks come before it")
            }
            Reason::InLine { ahead } => format!("it is ready, and {ahead} come before it"),
            Reason::NobodyToDoIt => format!(
                "it is ready and first in line, but no session of role {}{} is at work",
                assigned_to_role.as_deref().unwrap_or("(any)"),
                assigned_to_platform.as_ref().map(|platform| format!(" on {platform}")).unwrap_or_default(),
            ),
            Reason::Next => "it is ready, and the next one to be claimed".to_owned(),
        }
    }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

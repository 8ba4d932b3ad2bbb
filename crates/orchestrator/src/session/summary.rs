use std::collections::BTreeMap;

use agent_turbo_db::{Row, RowExt};
use serde::Serialize;

use super::{Session, session_columns};
use crate::ids::SessionId;
use crate::task::TaskStatus;
use crate::{Error, Orchestrator, Result};

/// What a session came to, with the sessions that it started, those that they started, and so on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionSummary {
    /// The session.
    pub session: Session,
    /// From its start to its end, or until now: seconds.
    pub seconds: f64,
    /// Sessions that are counted here: this one and those below it.
    pub sessions: i64,
    /// Tokens that they used.
    pub tokens_used: i64,
    /// Calls that they made.
    pub api_calls: i64,
    /// Their actions in the audit trail.
    pub actions: i64,
    /// Those that failed.
    pub failed_actions: i64,
    /// The tasks that they made or began.
    pub tasks: TaskTally,
    /// How many of them are in each state.
    pub by_status: BTreeMap<TaskStatus, i64>,
    /// The same tasks by the role that they are for; `any` where any will do.
    pub by_role: BTreeMap<String, TaskTally>,
    /// What audits said of their results.
    pub reviews: Reviews,
}

/// Some tasks. What they took is from the beginning of the last attempt to its end, of those that completed or failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TaskTally {
    /// How many.
    pub count: i64,
    /// How many are completed.
    pub completed: i64,
    /// How many failed.
    pub failed: i64,
    /// How often they were begun.
    pub attempts: i64,
    /// How many of them the following tells of.
    pub timed: i64,
    /// What they took together, in seconds.
    pub total_seconds: f64,
    /// What one of them took, in seconds.
    pub mean_seconds: Option<f64>,
    /// What the longest of them took, in seconds.
    pub max_seconds: Option<f64>,
}

/// Audits of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reviews {
    /// Tasks whose result stands approved.
    pub approved: i64,
    /// Tasks whose result stands rejected.
    pub rejected: i64,
    /// How often a result was sent back for revision.
    pub revisions: i64,
    /// Completed tasks that nobody has audited.
    pub to_audit: i64,
}

/// A session and all below it; other programs may make a circle of parents.
macro_rules! family {
    ($and:literal) => {
        concat!(
            "WITH RECURSIVE family (session_id) AS (
                 SELECT session_id FROM agent_sessions WHERE session_id = $1
                 UNION
                 SELECT s.session_id FROM family f JOIN agent_sessions s ON s.parent_session_id = f.session_id
             )",
            $and
        )
    };
}

impl Orchestrator {
    /// What a session came to: its tasks by state and role, what they took, what was used, what audits said.
    ///
    /// # Errors
    /// [`Error::UnknownSession`] when there is none.
    #[tracing::instrument(name = "orchestrator.session_summary", skip_all, fields(%session))]
    pub async fn session_summary(&self, session: &SessionId) -> Result<SessionSummary> {
        let row = self
            .db
            .query_opt(
                "summarize_session",
                concat!(
                    "-- summarize_session\n",
                    family!(""),
                    " SELECT extract(epoch FROM coalesce(s.completed_at, now()) - s.created_at)::float8 AS seconds,
                             used.*, done.*, ",
                    session_columns!(),
                    " FROM agent_sessions s,
                          (SELECT count(*) AS sessions, coalesce(sum(m.tokens_used), 0)::bigint AS all_tokens,
                                  coalesce(sum(m.api_calls), 0)::bigint AS all_calls
                           FROM family JOIN agent_sessions m USING (session_id)) used,
                          (SELECT count(*) AS actions, count(*) FILTER (WHERE NOT a.success) AS failed_actions
                           FROM family f JOIN agent_actions a
                               ON coalesce(a.session_id, a.task_id, '') = f.session_id AND a.session_id = f.session_id
                          ) done
                      WHERE s.session_id = $1"
                ),
                &[&session.as_str()],
            )
            .await?
            .ok_or_else(|| Error::UnknownSession(session.clone()))?;
        let mut summary = SessionSummary {
            session: Session::from_row(&row)?,
            seconds: row.column::<f64>("seconds")?.max(0.0),
            sessions: row.column("sessions")?,
            tokens_used: row.column("all_tokens")?,
            api_calls: row.column("all_calls")?,
            actions: row.column("actions")?,
            failed_actions: row.column("failed_actions")?,
            tasks: TaskTally::default(),
            by_status: BTreeMap::new(),
            by_role: BTreeMap::new(),
            reviews: Reviews::default(),
        };
        let rows = self
            .db
            .query(
                "summarize_tasks",
                // Each part of the union has an index; what they only began is found through their actions.
                concat!(
                    "-- summarize_tasks\n",
                    family!(
                        ", task AS (
                             SELECT t.task_id FROM family f JOIN agent_tasks t ON t.session_id = f.session_id
                             UNION
                             SELECT a.task_id
                             FROM family f JOIN agent_actions a
                                 ON coalesce(a.session_id, a.task_id, '') = f.session_id
                             WHERE a.action_type = 'task_claimed'
                         ), timed AS (
                             SELECT t.*, CASE WHEN t.status IN ('completed', 'failed') AND t.started_at <= t.completed_at THEN
                                 extract(epoch FROM t.completed_at - t.started_at)::float8 END AS took
                             FROM task JOIN agent_tasks t USING (task_id)
                         )"
                    ),
                    " SELECT coalesce(nullif(t.assigned_to_role, ''), 'any') AS role, t.status, count(*) AS tasks,
                             sum(t.attempts) AS attempts, count(took) AS timed, coalesce(sum(took), 0) AS total,
                             max(took) AS longest,
                             count(*) FILTER (WHERE t.review = 'approved') AS approved,
                             count(*) FILTER (WHERE t.review = 'rejected') AS rejected,
                             count(*) FILTER (WHERE t.status = 'completed' AND t.review IS NULL) AS to_audit,
                             coalesce(sum(back.revisions), 0)::bigint AS revisions
                      FROM timed t CROSS JOIN LATERAL (
                          SELECT count(*) AS revisions FROM agent_actions a
                          WHERE a.task_id = t.task_id AND a.action_type = 'task_reopened'
                              AND a.output_data->>'from' = 'completed') back
                      GROUP BY 1, 2"
                ),
                &[&session.as_str()],
            )
            .await?;
        for row in &rows {
            summary.take(row)?;
        }
        Ok(summary)
    }
}

impl SessionSummary {
    /// Adds the tasks of one role and state.
    fn take(&mut self, row: &Row) -> Result<()> {
        let status: TaskStatus = row.column("status")?;
        let count: i64 = row.column("tasks")?;
        let only = |wanted| if status == wanted { count } else { 0 };
        let part = TaskTally {
            count,
            completed: only(TaskStatus::Completed),
            failed: only(TaskStatus::Failed),
            attempts: row.column("attempts")?,
            timed: row.column("timed")?,
            total_seconds: row.column("total")?,
            mean_seconds: None,
            max_seconds: row.column("longest")?,
        };
        self.tasks.add(&part);
        self.by_role.entry(row.column("role")?).or_default().add(&part);
        *self.by_status.entry(status).or_default() += count;
        self.reviews.approved += row.column::<i64>("approved")?;
        self.reviews.rejected += row.column::<i64>("rejected")?;
        self.reviews.revisions += row.column::<i64>("revisions")?;
        self.reviews.to_audit += row.column::<i64>("to_audit")?;
        Ok(())
    }
}

impl TaskTally {
    fn add(&mut self, part: &Self) {
        self.count += part.count;
        self.completed += part.completed;
        self.failed += part.failed;
        self.attempts += part.attempts;
        self.timed += part.timed;
        self.total_seconds += part.total_seconds;
        self.mean_seconds = (self.timed > 0).then(|| self.total_seconds / self.timed as f64);
        self.max_seconds = self.max_seconds.into_iter().chain(part.max_seconds).reduce(f64::max);
    }
}

use agent_turbo_db::{self as db};
use jiff::Timestamp;
use serde::Serialize;

use super::Session;
use super::list::check_limit;
use crate::action::{Action, action_columns};
use crate::ids::{SessionId, TaskId};
use crate::task::{Task, columns};
use crate::{Error, Orchestrator, Result};

/// Tasks that are returned at the most; `list_tasks` shows more, in pages.
const MAX_TASKS: i64 = 1000;

/// Which part of a session's history is meant; what is left out means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Actions of then or later.
    pub since: Option<Timestamp>,
    /// Actions before.
    pub until: Option<Timestamp>,
    /// Actions of this type.
    pub action_type: Option<String>,
    /// This task, and actions on it.
    pub task: Option<TaskId>,
}

/// What a session did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionHistory {
    /// The session.
    pub session: Session,
    /// The first 1,000 tasks that it made, holds, or did something with, oldest first.
    pub tasks: Vec<Task>,
    /// A page of its actions, oldest first.
    pub actions: Vec<Action>,
    /// What to give as `after` for the next page of actions, if there is one.
    pub next: Option<i64>,
    /// The first 1,000 sessions that it started, oldest first.
    pub children: Vec<Session>,
}

impl Orchestrator {
    /// A session with its tasks, its children, and up to `limit` (1 to 1000) of its actions; `after` is the end of an
    /// earlier page.
    ///
    /// # Errors
    /// [`Error::UnknownSession`] when there is none.
    #[tracing::instrument(name = "orchestrator.get_session_history", skip_all, fields(%session))]
    pub async fn get_session_history(
        &self,
        session: &SessionId,
        filter: &HistoryFilter,
        limit: usize,
        after: Option<i64>,
    ) -> Result<SessionHistory> {
        let limit = check_limit(limit)?;
        let stored =
            self.get_session(session).await?.ok_or_else(|| Error::UnknownSession(session.clone()))?;
        let mut actions = self.history_actions(session, filter, limit + 1, after).await?;
        let more = actions.len() as i64 > limit;
        actions.truncate(limit as usize);
        let next = actions.last().filter(|_| more).map(|action| action.chain_position);
        Ok(SessionHistory {
            session: stored,
            tasks: self.history_tasks(session, filter).await?,
            actions,
            next,
            children: self.session_children(session).await?,
        })
    }

    async fn history_actions(
        &self,
        session: &SessionId,
        filter: &HistoryFilter,
        limit: i64,
        after: Option<i64>,
    ) -> Result<Vec<Action>> {
        let rows = self
            .db
            .query(
                "history_actions",
                concat!(
                    "-- history_actions\nSELECT ",
                    action_columns!(),
                    " FROM agent_actions a
                      WHERE coalesce(a.session_id, a.task_id, '') = $1 AND a.session_id = $1 AND a.chain_position > $2
                          AND ($3::timestamptz IS NULL OR a.executed_at >= $3)
                          AND ($4::timestamptz IS NULL OR a.executed_at < $4)
                          AND ($5::text IS NULL OR a.action_type = $5)
                          AND ($6::text IS NULL OR a.task_id = $6)
                      ORDER BY a.chain_position LIMIT $7"
                ),
                &[
                    &session.as_str(),
                    &after.unwrap_or(0),
                    &filter.since,
                    &filter.until,
                    &filter.action_type,
                    &filter.task.as_ref().map(TaskId::as_str),
                    &limit,
                ],
            )
            .await?;
        Ok(rows.iter().map(Action::from_row).collect::<db::Result<_>>()?)
    }

    /// Each part of the union has an index; what it finished is found through its actions.
    async fn history_tasks(&self, session: &SessionId, filter: &HistoryFilter) -> Result<Vec<Task>> {
        let rows = self
            .db
            .query(
                "history_tasks",
                concat!(
                    "-- history_tasks\nSELECT ",
                    columns!(),
                    " FROM agent_tasks t
                      WHERE t.task_id = ANY (ARRAY(
                              SELECT task_id FROM agent_tasks WHERE session_id = $1
                              UNION
                              SELECT task_id FROM agent_tasks WHERE lease_session_id = $1 AND status = 'in_progress'
                              UNION
                              SELECT task_id FROM agent_actions
                              WHERE coalesce(session_id, task_id, '') = $1 AND task_id IS NOT NULL))
                          AND ($2::text IS NULL OR t.task_id = $2)
                      ORDER BY t.id LIMIT $3"
                ),
                &[&session.as_str(), &filter.task.as_ref().map(TaskId::as_str), &MAX_TASKS],
            )
            .await?;
        Ok(rows.iter().map(Task::from_row).collect::<db::Result<_>>()?)
    }
}

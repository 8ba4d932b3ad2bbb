use agent_turbo_db::{self as db, RowExt};
use serde::Serialize;

use super::{Action, ActionFilter, action_columns};
use crate::ids::{ActionId, SessionId, TaskId};
use crate::{Error, Orchestrator, Result};

const MAX_LIMIT: usize = 1000;

/// Some actions, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionPage {
    /// Newest first.
    pub actions: Vec<Action>,
    /// What to give as `before` for the next page, if there is one.
    pub next: Option<i64>,
}

/// A page of one chain, or of all; `$7` is where the last one ended.
macro_rules! page {
    ($name:literal, $cursor:literal, $where:literal) => {
        concat!(
            "-- ",
            $name,
            "\nSELECT ",
            $cursor,
            " AS cursor, ",
            action_columns!(),
            " FROM agent_actions a
              WHERE ",
            $where,
            " AND ",
            $cursor,
            " < $7
                  AND ($1::text IS NULL OR a.session_id = $1)
                  AND ($2::text IS NULL OR a.task_id = $2)
                  AND ($3::text IS NULL OR a.project = $3)
                  AND ($4::text IS NULL OR a.action_type = $4)
                  AND ($5::timestamptz IS NULL OR a.executed_at >= $5)
                  AND ($6::timestamptz IS NULL OR a.executed_at < $6)
              ORDER BY ",
            $cursor,
            " DESC LIMIT $8"
        )
    };
}

impl Orchestrator {
    /// Up to `limit` (1 to 1000) actions, newest first; `before` is the end of an earlier page of the same filter.
    #[tracing::instrument(name = "orchestrator.list_actions", skip_all)]
    pub async fn list_actions(
        &self,
        filter: &ActionFilter,
        limit: usize,
        before: Option<i64>,
    ) -> Result<ActionPage> {
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Error::bad_input("the limit", format!("{limit} is not between 1 and {MAX_LIMIT}")));
        }
        let (name, sql) = if filter.session.is_some() {
            (
                "list_session_actions",
                page!(
                    "list_session_actions",
                    "a.chain_position",
                    "coalesce(a.session_id, a.task_id, '') = $1"
                ),
            )
        } else {
            ("list_actions", page!("list_actions", "a.id", "true"))
        };
        let rows = self
            .db
            .query(
                name,
                sql,
                &[
                    &filter.session.as_ref().map(SessionId::as_str),
                    &filter.task.as_ref().map(TaskId::as_str),
                    &filter.project,
                    &filter.action_type,
                    &filter.since,
                    &filter.until,
                    &before.unwrap_or(i64::MAX),
                    &(limit as i64 + 1),
                ],
            )
            .await?;
        let more = rows.len() > limit;
        let rows = &rows[..rows.len().min(limit)];
        let next = if more { rows.last().map(|row| row.column("cursor")).transpose()? } else { None };
        Ok(ActionPage { actions: rows.iter().map(Action::from_row).collect::<db::Result<_>>()?, next })
    }

    /// The action, if there is one.
    #[tracing::instrument(name = "orchestrator.get_action", skip_all, fields(%action))]
    pub async fn get_action(&self, action: &ActionId) -> Result<Option<Action>> {
        let row = self
            .db
            .query_opt(
                "get_action",
                concat!(
                    "-- get_action\nSELECT ",
                    action_columns!(),
                    " FROM agent_actions a WHERE a.action_id = $1"
                ),
                &[&action.as_str()],
            )
            .await?;
        Ok(row.as_ref().map(Action::from_row).transpose()?)
    }
}

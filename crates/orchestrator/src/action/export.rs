use std::io;

use agent_turbo_db as db;
use jiff::Timestamp;

use super::{Action, action_columns};
use crate::ids::{SessionId, TaskId};
use crate::{Error, Orchestrator, Result};

const PAGE: i64 = 1000;

/// Which actions are meant; what is left out means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionFilter {
    /// Of this session.
    pub session: Option<SessionId>,
    /// On this task.
    pub task: Option<TaskId>,
    /// In this project.
    pub project: Option<String>,
    /// Of this type.
    pub action_type: Option<String>,
    /// Of then or later.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// One page of an export: its columns, where it goes on, and the filter, whose parameters are `$3` and following.
macro_rules! page {
    ($name:literal, $cursor:literal, $where:literal) => {
        concat!(
            "-- ",
            $name,
            "\nSELECT ",
            action_columns!(),
            ", ",
            $cursor,
            " AS cursor
             FROM agent_actions a
             WHERE ",
            $where,
            " AND ",
            $cursor,
            " > $1
                 AND ($3::text IS NULL OR a.session_id = $3)
                 AND ($4::text IS NULL OR a.task_id = $4)
                 AND ($5::text IS NULL OR a.project = $5)
                 AND ($6::text IS NULL OR a.action_type = $6)
                 AND ($7::timestamptz IS NULL OR a.executed_at >= $7)
                 AND ($8::timestamptz IS NULL OR a.executed_at < $8)
             ORDER BY ",
            $cursor,
            " LIMIT $2"
        )
    };
}

impl Orchestrator {
    /// Gives each action to `line` as a line of JSON without its line end, with its place in its chain: one session's in
    /// the order of its chain, several sessions' in the order in which they were begun to be written. Returns how many
    /// there were. Read in pages: what is written meanwhile may be among them.
    ///
    /// # Errors
    /// [`Error::Export`] with what `line` failed with.
    #[tracing::instrument(name = "orchestrator.export_actions", skip_all)]
    pub async fn export_actions(
        &self,
        filter: &ActionFilter,
        mut line: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<u64> {
        let (name, sql) = if filter.session.is_some() {
            (
                "export_session",
                page!("export_session", "a.chain_position", "coalesce(a.session_id, a.task_id, '') = $3"),
            )
        } else {
            ("export_actions", page!("export_actions", "a.id", "true"))
        };
        let (mut count, mut after) = (0, 0i64);
        loop {
            let rows = self
                .db
                .query(
                    name,
                    sql,
                    &[
                        &after,
                        &PAGE,
                        &filter.session.as_ref().map(SessionId::as_str),
                        &filter.task.as_ref().map(TaskId::as_str),
                        &filter.project,
                        &filter.action_type,
                        &filter.since,
                        &filter.until,
                    ],
                )
                .await?;
            for row in &rows {
                let action = Action::from_row(row)?;
                let json = serde_json::to_string(&action).map_err(|error| Error::Export(error.into()))?;
                line(&json).map_err(Error::Export)?;
                after = db::RowExt::column(row, "cursor")?;
                count += 1;
            }
            if (rows.len() as i64) < PAGE {
                return Ok(count);
            }
        }
    }
}

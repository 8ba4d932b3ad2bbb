use agent_turbo_db::{self as db, RowExt};
use jiff::Timestamp;
use serde::Serialize;

use super::{Session, SessionStatus, session_columns};
use crate::ids::SessionId;
use crate::{Error, Orchestrator, Result};

const MAX_LIMIT: usize = 1000;

/// Which sessions are meant; what is left out means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// On this platform.
    pub platform: Option<String>,
    /// In this role.
    pub role: Option<String>,
    /// In this state.
    pub status: Option<SessionStatus>,
    /// In this project.
    pub project: Option<String>,
    /// Started by this session.
    pub parent: Option<SessionId>,
    /// Started then or later.
    pub since: Option<Timestamp>,
    /// Started before.
    pub until: Option<Timestamp>,
}

/// Some sessions, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionPage {
    /// Newest first.
    pub sessions: Vec<Session>,
    /// What to give as `before` for the next page, if there is one.
    pub next: Option<i64>,
}

impl Orchestrator {
    /// Up to `limit` (1 to 1000) sessions, newest first; `before` is the end of an earlier page.
    #[tracing::instrument(name = "orchestrator.list_sessions", skip_all)]
    pub async fn list_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
        before: Option<i64>,
    ) -> Result<SessionPage> {
        let limit = check_limit(limit)?;
        let rows = self
            .db
            .query(
                "list_sessions",
                concat!(
                    "-- list_sessions
                     SELECT s.id, ",
                    session_columns!(),
                    " FROM agent_sessions s
                      WHERE s.id < $8
                          AND ($1::text IS NULL OR s.agent_platform = $1)
                          AND ($2::text IS NULL OR s.agent_role = $2)
                          AND ($3::text IS NULL OR s.status = $3)
                          AND ($4::text IS NULL OR s.project = $4)
                          AND ($5::text IS NULL OR s.parent_session_id = $5)
                          AND ($6::timestamptz IS NULL OR s.created_at >= $6)
                          AND ($7::timestamptz IS NULL OR s.created_at < $7)
                      ORDER BY s.id DESC LIMIT $9"
                ),
                &[
                    &filter.platform,
                    &filter.role,
                    &filter.status.map(SessionStatus::as_str),
                    &filter.project,
                    &filter.parent.as_ref().map(SessionId::as_str),
                    &filter.since,
                    &filter.until,
                    &before.unwrap_or(i64::MAX),
                    &(limit + 1),
                ],
            )
            .await?;
        let more = rows.len() as i64 > limit;
        let rows = &rows[..rows.len().min(limit as usize)];
        let next = if more { rows.last().map(|row| row.column("id")).transpose()? } else { None };
        Ok(SessionPage { sessions: rows.iter().map(Session::from_row).collect::<db::Result<_>>()?, next })
    }
}

pub(super) fn check_limit(limit: usize) -> Result<i64> {
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Error::bad_input("the limit", format!("{limit} is not between 1 and {MAX_LIMIT}")));
    }
    Ok(limit as i64)
}

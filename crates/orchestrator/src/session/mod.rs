//! Sessions: who is at work, for whom, and since when nobody heard of him.
//!
//! The database writes each change of state into the session's own audit trail (`migrations/V5__orchestration.sql`).

mod alive;
mod end;
mod family;
mod get;
mod history;
mod list;
mod reap;
mod resume;
mod start;
mod summary;
mod touch;

use agent_turbo_db::{Result, Row, RowExt};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::ids::SessionId;
use crate::vocabulary::vocabulary;

pub(crate) use alive::SignsOfLife;
pub use end::EndedSession;
pub use history::{HistoryFilter, SessionHistory};
pub use list::{SessionFilter, SessionPage};
pub use reap::{ReapedSessions, SilenceLimits};
pub use start::{NewSession, StartedSession};
pub use summary::{Reviews, SessionSummary, TaskTally};
pub use touch::Usage;

pub(crate) use start::Starts;

vocabulary! {
    /// Where a session stands.
    SessionStatus, "the session's status" {
        /// Somebody is at work.
        Active = "active",
        /// It was silent for a while.
        Idle = "idle",
        /// It came to its end.
        Completed = "completed",
        /// It went wrong, or was silent for too long.
        Failed = "failed",
    }
}

impl SessionStatus {
    /// Whether only resuming leads on from here.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// A session, as it is stored, without its landing context.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Session {
    /// What it is called.
    pub session_id: SessionId,
    /// The platform of its agent.
    pub agent_platform: String,
    /// What its agent is there for.
    pub agent_role: String,
    /// The session that started it.
    pub parent_session_id: Option<SessionId>,
    /// The project it belongs to.
    pub project: String,
    /// Where it stands.
    pub status: SessionStatus,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it last showed a sign of life.
    pub last_active: Timestamp,
    /// When it ended, if it has.
    pub completed_at: Option<Timestamp>,
    /// Tokens used so far.
    pub tokens_used: i64,
    /// Calls made so far.
    pub api_calls: i64,
    /// Anything else.
    pub metadata: Value,
}

/// The member of a session's metadata by which a start whose answer was lost recognises its own row.
pub(crate) const START: &str = "agent_turbo.start";

/// The columns of [`Session`], of the row `s`.
macro_rules! session_columns {
    () => {
        "s.session_id, s.agent_platform, s.agent_role, s.parent_session_id, s.project, s.status, s.created_at,
         s.last_active, s.completed_at, s.tokens_used, s.api_calls, s.metadata"
    };
}
pub(crate) use session_columns;

impl Session {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        let mut metadata: Value = row.column("metadata")?;
        if let Value::Object(members) = &mut metadata {
            members.remove(START);
        }
        Ok(Self {
            session_id: SessionId::stored(row.column("session_id")?),
            agent_platform: row.column("agent_platform")?,
            agent_role: row.column("agent_role")?,
            parent_session_id: row.column::<Option<String>>("parent_session_id")?.map(SessionId::stored),
            project: row.column("project")?,
            status: row.column("status")?,
            created_at: row.column("created_at")?,
            last_active: row.column("last_active")?,
            completed_at: row.column("completed_at")?,
            tokens_used: row.column("tokens_used")?,
            api_calls: row.column("api_calls")?,
            metadata,
        })
    }
}

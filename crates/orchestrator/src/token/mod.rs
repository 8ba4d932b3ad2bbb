//! Access tokens: what programs show that do not run on the server's own machine.
//!
//! A token is `at_{id}_{secret}`. The secret is 256 random bits, of which the database has the SHA-256 alone.

mod check;
mod create;
mod list;
mod revoke;
mod secret;

use agent_turbo_db::{Result, Row, RowExt};
use jiff::Timestamp;
use serde::Serialize;

pub use create::{CreatedToken, NewToken};

/// A token, as it is stored: without what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessToken {
    /// What it is known by: the part of the token that is no secret.
    pub token_id: String,
    /// What its owner calls it.
    pub name: String,
    /// The projects that it opens; `None` for all.
    pub projects: Option<Vec<String>>,
    /// The role in which it works; `None` for any.
    pub role: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends to open anything.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// The columns of [`AccessToken`], of the row `a`.
macro_rules! token_columns {
    () => {
        "a.token_id, a.name, a.projects, a.role, a.created_at, a.expires_at, a.last_used_at, a.revoked_at"
    };
}
pub(crate) use token_columns;

impl AccessToken {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            token_id: row.column("token_id")?,
            name: row.column("name")?,
            projects: row.column("projects")?,
            role: row.column("role")?,
            created_at: row.column("created_at")?,
            expires_at: row.column("expires_at")?,
            last_used_at: row.column("last_used_at")?,
            revoked_at: row.column("revoked_at")?,
        })
    }
}

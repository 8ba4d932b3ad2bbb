use agent_turbo_db::{Result, Row, RowExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ContentHash, Project, State};

/// One piece of knowledge, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What it is known by within its project.
    pub content_hash: ContentHash,
    /// Where it belongs.
    pub project: String,
    /// The text.
    pub content: String,
    /// `general` unless its author said otherwise.
    pub knowledge_type: String,
    /// Its author's own sorting.
    pub category: Option<String>,
    /// Its author's labels.
    pub tags: Vec<String>,
    /// Whatever else its author noted: a JSON object.
    pub metadata: serde_json::Value,
    /// The session that it came from.
    pub source_session: Option<String>,
    /// The platform of the agent that it came from.
    pub source_agent_platform: Option<String>,
    /// The model of its vector; `None` while it has none.
    pub embedding_model: Option<String>,
    /// Tokens, estimated.
    pub tokens: Option<i32>,
    /// How often it was found by a query.
    pub access_count: i64,
    /// When it was last found.
    pub last_accessed: Option<Timestamp>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When its author last changed it.
    pub updated_at: Timestamp,
    /// From when on it is not found any more; `None` for an entry that holds for good.
    pub expires_at: Option<Timestamp>,
    /// The entry that took its place.
    pub superseded_by: Option<ContentHash>,
    /// Since when it waits for approval; `None` for an entry that is trusted.
    pub quarantined_at: Option<Timestamp>,
    /// Why it waits.
    pub quarantine_reason: Option<String>,
    /// The row, for cursors.
    pub id: i64,
}

/// What [`Entry::from_row`] reads.
macro_rules! entry_columns {
    () => {
        "k.id, k.content_hash, k.project, k.content, k.knowledge_type, k.category, k.tags, k.metadata, \
         k.source_session, k.source_agent_platform, k.embedding_model, k.tokens, k.access_count, k.last_accessed, \
         k.created_at, k.updated_at, k.expires_at, k.quarantined_at, k.quarantine_reason, \
         CASE WHEN k.superseded_by IS NOT NULL THEN (SELECT successor.content_hash \
             FROM agent_knowledge AS successor WHERE successor.id = k.superseded_by) END AS superseded_by"
    };
}
pub(crate) use entry_columns;

impl Entry {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            content_hash: ContentHash::from_row(row.column("content_hash")?),
            project: row.column("project")?,
            content: row.column("content")?,
            knowledge_type: row.column("knowledge_type")?,
            category: row.column("category")?,
            tags: row.column("tags")?,
            metadata: row.column("metadata")?,
            source_session: row.column("source_session")?,
            source_agent_platform: row.column("source_agent_platform")?,
            embedding_model: row.column("embedding_model")?,
            tokens: row.column("tokens")?,
            access_count: row.column("access_count")?,
            last_accessed: row.column("last_accessed")?,
            created_at: row.column("created_at")?,
            updated_at: row.column("updated_at")?,
            expires_at: row.column("expires_at")?,
            superseded_by: row.column::<Option<String>>("superseded_by")?.map(ContentHash::from_row),
            quarantined_at: row.column("quarantined_at")?,
            quarantine_reason: row.column("quarantine_reason")?,
            id: row.column("id")?,
        })
    }

    /// Whether it is found at `now`, and if not, why. What is to be done about it comes first.
    pub fn state(&self, now: Timestamp) -> State {
        let is_expired = self.expires_at.is_some_and(|time| time <= now);
        State::of(self.quarantined_at.is_some(), self.superseded_by.is_some(), is_expired)
    }

    /// Whether `project` is where it belongs.
    pub fn belongs_to(&self, project: &Project) -> bool {
        self.project == project.as_str()
    }
}

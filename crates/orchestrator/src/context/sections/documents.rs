use agent_turbo_db::{Client, Result, Row, RowExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Item, read};

/// Documents at the most.
pub const MAX_DOCUMENTS: usize = 20;

/// A document that agents may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextDocument {
    /// Where it is from; unique in the project.
    pub source: String,
    /// The beginning of its title.
    pub title: Option<String>,
    /// Entries of knowledge that it was split into.
    pub chunk_count: i32,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

pub(in crate::context) async fn documents(client: &Client, project: &str) -> Result<Vec<ContextDocument>> {
    read(
        client,
        "landing_documents",
        "-- landing_documents
         SELECT source, left(title, 500) AS title, chunk_count, updated_at
         FROM documents WHERE project = $1 ORDER BY updated_at DESC LIMIT 20",
        &[&project],
    )
    .await
}

impl Item for ContextDocument {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            source: row.column("source")?,
            title: row.column("title")?,
            chunk_count: row.column("chunk_count")?,
            updated_at: row.column("updated_at")?,
        })
    }
}

use agent_turbo_db::RowExt;

use crate::{Project, Result, Store};

/// What is known of a document that was ingested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// What it is known by.
    pub source: String,
    /// The hash of the file; `None` when not everything of it is stored.
    pub content_hash: Option<String>,
    /// The way in which it was split.
    pub chunker: String,
    /// Entries that it was split into.
    pub chunk_count: i32,
}

impl Store {
    /// The project's ingested documents at or below `roots`, in the order of their sources. It reads all of the project's
    /// documents.
    #[tracing::instrument(name = "knowledge.documents_below", skip_all, fields(%project))]
    pub async fn documents_below(&self, project: &Project, roots: &[&str]) -> Result<Vec<StoredDocument>> {
        let rows = self
            .0
            .db
            .query(
                "documents_below",
                "-- documents_below
                 SELECT d.source, d.content_hash, d.metadata ->> 'chunker' AS chunker, d.chunk_count
                 FROM documents AS d
                 WHERE d.project = $1 AND jsonb_typeof(d.metadata -> 'chunker') = 'string'
                   AND EXISTS (
                       SELECT FROM unnest($2::text[]) AS r (root)
                       WHERE d.source = r.root OR starts_with(d.source, rtrim(r.root, '/') || '/'))
                 ORDER BY d.source COLLATE \"C\"",
                &[&project.as_str(), &roots],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(StoredDocument {
                    source: row.column("source")?,
                    content_hash: row.column("content_hash")?,
                    chunker: row.column("chunker")?,
                    chunk_count: row.column("chunk_count")?,
                })
            })
            .collect()
    }
}

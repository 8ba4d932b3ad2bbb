use agent_turbo_db::{Row, RowExt};
use serde_json::Value;

use super::Provenance;
use crate::{ContentHash, Project, Result, Store};

/// What is to be known of a stored entry to hold it against the place that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// What it is known by.
    pub content_hash: ContentHash,
    /// The SHA-256 of its text as it is now, by the database.
    pub actual_hash: ContentHash,
    /// Whether it has a vector.
    pub is_embedded: bool,
    /// Where it came from, if it was brought from elsewhere.
    pub provenance: Option<Provenance>,
}

/// Some of a project's entries, in the order of their hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FingerprintPage {
    /// Those of the page that came from the file.
    pub entries: Vec<Fingerprint>,
    /// What to pass as `after` to go on; `None` at the end.
    pub next: Option<ContentHash>,
}

const PAGE: i64 = 1000;

impl Store {
    /// The fingerprints of those of `hashes` that the project has, in no order. One round trip.
    #[tracing::instrument(name = "knowledge.fingerprints_of", skip_all, fields(%project, hashes = hashes.len()))]
    pub async fn fingerprints_of(
        &self,
        project: &Project,
        hashes: &[&ContentHash],
    ) -> Result<Vec<Fingerprint>> {
        let hashes: Vec<&str> = hashes.iter().map(|hash| hash.as_str()).collect();
        let rows = self
            .0
            .db
            .query(
                "fingerprints_of",
                "-- fingerprints_of
                 SELECT content_hash, encode(sha256(convert_to(content, 'UTF8')), 'hex') AS actual_hash,
                        embedding IS NOT NULL AS is_embedded, metadata -> 'import' AS provenance
                 FROM agent_knowledge
                 WHERE project = $1 AND content_hash = ANY($2)",
                &[&project.as_str(), &hashes],
            )
            .await?;
        rows.iter().map(Fingerprint::from_row).collect()
    }

    /// The fingerprints of the project's entries that came from `file`, a page at a time: each page reads a bounded
    /// number of the project's entries, so it may hold none and not be the last.
    #[tracing::instrument(name = "knowledge.fingerprints", skip_all, fields(%project))]
    pub async fn fingerprints_from(
        &self,
        project: &Project,
        file: &str,
        after: Option<&ContentHash>,
    ) -> Result<FingerprintPage> {
        let after = after.map_or("", ContentHash::as_str);
        let rows = self
            .0
            .db
            .query(
                "fingerprints_from",
                // Read in the order of the index, whatever is expected of the condition on the metadata.
                "-- fingerprints_from
                 SELECT content_hash, is_from,
                        CASE WHEN is_from THEN encode(sha256(convert_to(content, 'UTF8')), 'hex') END AS actual_hash,
                        is_embedded, CASE WHEN is_from THEN provenance END AS provenance
                 FROM (
                     SELECT content_hash, content, embedding IS NOT NULL AS is_embedded,
                            metadata -> 'import' AS provenance,
                            coalesce(metadata -> 'import' ->> 'file' = $3, false) AS is_from
                     FROM agent_knowledge
                     WHERE project = $1 AND content_hash > $2
                     ORDER BY content_hash LIMIT $4
                 ) AS page ORDER BY content_hash",
                &[&project.as_str(), &after, &file, &PAGE],
            )
            .await?;
        let next = match rows.last() {
            Some(last) if rows.len() as i64 == PAGE => {
                Some(ContentHash::from_row(last.column("content_hash")?))
            }
            _ => None,
        };
        let mut entries = Vec::new();
        for row in &rows {
            if row.column("is_from")? {
                entries.push(Fingerprint::from_row(row)?);
            }
        }
        Ok(FingerprintPage { entries, next })
    }
}

impl Fingerprint {
    fn from_row(row: &Row) -> Result<Self> {
        let provenance: Option<Value> = row.column("provenance")?;
        Ok(Self {
            content_hash: ContentHash::from_row(row.column("content_hash")?),
            actual_hash: ContentHash::from_row(row.column("actual_hash")?),
            is_embedded: row.column("is_embedded")?,
            // Somebody else's member of that name is none of ours.
            provenance: provenance.and_then(|value| serde_json::from_value(value).ok()),
        })
    }

    /// Whether its text is the one that it is known by.
    pub fn is_intact(&self) -> bool {
        self.content_hash == self.actual_hash
    }
}

use std::collections::BTreeSet;

use agent_turbo_db::{Client, RowExt, Transaction};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::settle::{BATCH, Place, find, place, remove_unheld, unlink};
use crate::{ContentHash, Project, Result, Store};

/// A document whose entries are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// What it is known by in its project: the file's whole path.
    pub source: String,
    /// The path that tells people most.
    pub path: String,
    /// What it is called.
    pub title: Option<String>,
    /// The hash of the file; `None` when not everything of it could be stored.
    pub content_hash: Option<String>,
    /// The way in which it was split; another one splits it anew.
    pub chunker: String,
    /// The file's size, in bytes.
    pub bytes: u64,
    /// When the file was last written to.
    pub modified: Option<Timestamp>,
    /// The commit of its repository.
    pub commit: Option<String>,
    /// Entries that it was read into; `None` for the places' number.
    pub entries: Option<u64>,
}

/// Where an entry stands in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkPlace {
    /// The entry.
    pub content_hash: ContentHash,
    /// The headings that it stands under.
    pub heading: Option<String>,
    /// Its first line, from 1.
    pub first_line: u32,
    /// Its last line.
    pub last_line: u32,
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Finished {
    /// Entries that it holds now.
    pub chunks: u64,
    /// Entries that were removed, as no document holds them any more.
    pub removed: u64,
}

impl Store {
    /// Gives a document its places, in their order, in one transaction; the entries must be there, and those that are not
    /// are left out. Entries that were made for it and that nobody holds any more are removed, the others are told where
    /// they stand. Of a large document that is done afterwards, some at a time, and its hash is written at the end.
    /// Repeating it is safe.
    #[tracing::instrument(name = "knowledge.finish_document", skip_all, fields(%project, places = places.len()))]
    pub async fn finish_document(
        &self,
        project: &Project,
        document: &NewDocument,
        places: &[ChunkPlace],
    ) -> Result<Finished> {
        let clean = |text: &Option<String>| text.clone().map(|text| self.without_secrets(text));
        let headings: Vec<Option<String>> = places.iter().map(|place| clean(&place.heading)).collect();
        let document = &NewDocument { title: clean(&document.title), ..document.clone() };
        let (headings, places) = (&headings, &places);
        let (finished, left) = self
            .0
            .db
            .run_tx("finish_document", async |tx: Transaction| {
                finish(&tx, project, document, places, headings).await
            })
            .await?;
        if !left.is_empty() {
            for some in left.chunks(BATCH) {
                self.0
                    .db
                    .run("place_entries", async |client: Client| place(&client, some, None).await)
                    .await?;
            }
            self.complete(project, document).await?;
        }
        self.changed(project);
        Ok(finished)
    }

    async fn complete(&self, project: &Project, document: &NewDocument) -> Result<()> {
        self.0
            .db
            .execute(
                "complete_document",
                "-- complete_document
                 UPDATE documents SET content_hash = $3 WHERE project = $1 AND source = $2",
                &[&project.as_str(), &document.source, &document.content_hash],
            )
            .await?;
        Ok(())
    }
}

/// What became of it, and the entries that are yet to be told where they stand.
async fn finish(
    tx: &Transaction,
    project: &Project,
    document: &NewDocument,
    places: &[ChunkPlace],
    headings: &[Option<String>],
) -> Result<(Finished, Vec<i64>)> {
    let id = match find(tx, project, &document.source).await? {
        Some(id) => id,
        None => insert(tx, project, &document.source).await?,
    };
    let mut concerned = unlink(tx, project, id, &document.source).await?;
    let linked = link(tx, project, id, places, headings).await?;
    concerned.extend(linked.iter().copied());
    let mut left: Vec<i64> = concerned.into_iter().collect();
    let removed = remove_unheld(tx, &left).await?;
    let is_small = left.len() <= BATCH;
    if is_small {
        let unwritten = Place { id, path: &document.path, commit: document.commit.as_deref() };
        place(tx, &left, Some(&unwritten)).await?;
        left.clear();
    }
    let entries = document.entries.unwrap_or(linked.len() as u64);
    let metadata = json!({
        "path": document.path,
        "commit": document.commit,
        "bytes": document.bytes,
        "modified": document.modified,
        "chunker": document.chunker,
    });
    // Last, as whoever changes a document waits for the others who do.
    tx.change(
        "write_document",
        "-- write_document
         UPDATE documents
         SET title = $2, chunk_count = $4, metadata = jsonb_strip_nulls(metadata || $5), content_hash = $3,
             updated_at = CASE WHEN content_hash IS DISTINCT FROM $3 THEN now() ELSE updated_at END
         WHERE id = $1",
        &[
            &id,
            &document.title,
            &document.content_hash.as_ref().filter(|_| is_small),
            &i32::try_from(entries).unwrap_or(i32::MAX),
            &metadata,
        ],
    )
    .await?;
    Ok((Finished { chunks: linked.len() as u64, removed }, left))
}

async fn insert(tx: &Transaction, project: &Project, source: &str) -> Result<i64> {
    let row = tx
        .rows(
            "insert_document",
            "-- insert_document
             INSERT INTO documents (project, source) VALUES ($1, $2)
             ON CONFLICT (project, source) DO UPDATE SET source = EXCLUDED.source
             RETURNING id",
            &[&project.as_str(), &source],
        )
        .await?;
    Ok(row.first().map_or(Ok(0), |row| row.column("id"))?)
}

/// The entries that the document holds now. One may stand in it several times.
async fn link(
    tx: &Transaction,
    project: &Project,
    id: i64,
    places: &[ChunkPlace],
    headings: &[Option<String>],
) -> Result<BTreeSet<i64>> {
    let hashes: Vec<&str> = places.iter().map(|place| place.content_hash.as_str()).collect();
    let line = |line: u32| i32::try_from(line).unwrap_or(i32::MAX).max(1);
    let (first, last): (Vec<i32>, Vec<i32>) =
        places.iter().map(|place| (line(place.first_line), line(place.last_line))).unzip();
    let rows = tx
        .rows(
            "link_chunks",
            // An entry that somebody deletes meanwhile is not there any more.
            "-- link_chunks
             INSERT INTO document_chunks (document_id, position, knowledge_id, heading, first_line, last_line)
             SELECT $1, n.position - 1, k.id, n.heading, n.first_line, n.last_line
             FROM unnest($3::text[], $4::text[], $5::integer[], $6::integer[])
                  WITH ORDINALITY AS n (content_hash, heading, first_line, last_line, position)
             JOIN agent_knowledge AS k ON k.project = $2 AND k.content_hash = n.content_hash
             FOR KEY SHARE OF k
             RETURNING knowledge_id",
            &[&id, &project.as_str(), &hashes, &headings, &first, &last],
        )
        .await?;
    rows.iter().map(|row| Ok(row.column("knowledge_id")?)).collect()
}

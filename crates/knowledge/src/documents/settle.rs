use std::collections::BTreeSet;

use agent_turbo_db::{Client, RowExt, Transaction};

use crate::{Project, Result};

/// Entries that are told at once where they stand: each costs a place in the index of vectors.
pub(super) const BATCH: usize = 256;

/// A document whose row is yet to be written.
pub(super) struct Place<'a> {
    pub(super) id: i64,
    pub(super) path: &'a str,
    pub(super) commit: Option<&'a str>,
}

/// The document's row, locked.
pub(super) async fn find(tx: &Transaction, project: &Project, source: &str) -> Result<Option<i64>> {
    let row = tx
        .row(
            "lock_document",
            "-- lock_document
             SELECT id FROM documents WHERE project = $1 AND source = $2 FOR UPDATE",
            &[&project.as_str(), &source],
        )
        .await?;
    Ok(row.map(|row| row.column("id")).transpose()?)
}

/// Takes a document's places away. The entries that it held, and those that an interrupted run made for it.
pub(super) async fn unlink(
    tx: &Transaction,
    project: &Project,
    id: i64,
    source: &str,
) -> Result<BTreeSet<i64>> {
    let held = tx
        .rows(
            "unlink_chunks",
            "-- unlink_chunks
             DELETE FROM document_chunks WHERE document_id = $1 RETURNING knowledge_id",
            &[&id],
        )
        .await?;
    let made = tx
        .rows(
            "made_for_document",
            "-- made_for_document
             SELECT id AS knowledge_id FROM agent_knowledge
             WHERE project = $1
               AND metadata @> jsonb_build_object('document', jsonb_build_object('source', $2::text))",
            &[&project.as_str(), &source],
        )
        .await?;
    held.iter().chain(&made).map(|row| Ok(row.column("knowledge_id")?)).collect()
}

/// Removes those of the entries that were made for documents and that none holds any more. How many those were.
pub(super) async fn remove_unheld(tx: &Transaction, entries: &[i64]) -> Result<u64> {
    let removed = tx
        .change(
            "remove_unheld",
            "-- remove_unheld
             DELETE FROM agent_knowledge AS k
             WHERE k.id = ANY($1) AND k.knowledge_type = 'document' AND k.metadata -> 'document' ? 'source'
               AND NOT EXISTS (SELECT FROM document_chunks AS c WHERE c.knowledge_id = k.id)",
            &[&entries],
        )
        .await?;
    Ok(removed)
}

/// Tells entries that were made for documents where they stand now. Repeating it is safe. An entry of which that changes
/// is indexed anew, so no more than a [`BATCH`] of them are taken at once.
pub(super) async fn place(client: &Client, entries: &[i64], unwritten: Option<&Place<'_>>) -> Result<()> {
    let id = unwritten.map(|place| place.id);
    let (path, commit) = (unwritten.map(|place| place.path), unwritten.and_then(|place| place.commit));
    client
        .change(
            "place_entries",
            // The place that an entry has stays while the document holds it there; a new commit alone is no other place.
            "-- place_entries
             UPDATE agent_knowledge AS k SET metadata = jsonb_set(k.metadata, '{document}', h.location)
             FROM (
                 SELECT DISTINCT ON (e.id) e.id, jsonb_strip_nulls(jsonb_build_object(
                            'source', d.source, 'heading', c.heading, 'first_line', c.first_line,
                            'last_line', c.last_line,
                            'path', CASE WHEN d.id = $2 THEN $3::text ELSE d.metadata ->> 'path' END,
                            'commit', CASE WHEN d.id = $2 THEN $4::text ELSE d.metadata ->> 'commit' END)) AS location
                 FROM agent_knowledge AS e
                 JOIN document_chunks AS c ON c.knowledge_id = e.id
                 JOIN documents AS d ON d.id = c.document_id
                 WHERE e.id = ANY($1) AND e.knowledge_type = 'document' AND e.metadata -> 'document' ? 'source'
                 ORDER BY e.id, d.source = e.metadata -> 'document' ->> 'source' DESC, d.id, c.position
             ) AS h
             WHERE k.id = h.id
               AND (k.metadata -> 'document') - 'commit' IS DISTINCT FROM h.location - 'commit'",
            &[&entries, &id, &path, &commit],
        )
        .await?;
    Ok(())
}

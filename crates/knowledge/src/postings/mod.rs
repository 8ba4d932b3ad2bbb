//! Which entries have a word that stands in many of them: lists that are packed in the background, so that a question's
//! frequent words are looked for without reading the entries.
//!
//! Entries are packed in segments, and segments of about one size into a larger one, as logs are merged elsewhere
//! (O'Neil et al., "The Log-Structured Merge-Tree", 1996): each entry is packed a handful of times, and a question reads a
//! handful of lists for each of its words. A list may name entries that were changed or deleted; whoever reads it looks at
//! the entries themselves before they count.

mod merge;
mod pack;
pub(crate) mod packed;

use agent_turbo_db as db;

pub(crate) use pack::WORTH_PACKING;

/// How much is packed and merged at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// Everything, which takes some seconds for a hundred thousand entries: where nobody waits for it.
    All,
    /// What takes less than a second: the rest is left to whoever comes next.
    Some,
}

/// Packs what was counted, and merges what was packed.
pub(crate) async fn settle(db: &db::Database, share: Share) -> db::Result<()> {
    let largest = if share == Share::All { merge::LARGE } else { merge::QUICK };
    while pack::pack(db).await? && share == Share::All {}
    while merge::merge(db, largest).await? && share == Share::All {}
    Ok(())
}

/// One process at a time packs or merges; false where another one does.
async fn lock(tx: &db::Transaction) -> db::Result<bool> {
    use db::RowExt;
    let row = tx
        .row(
            "lock_postings",
            "-- lock_postings
             SELECT pg_try_advisory_xact_lock(
                        hashtextextended('agent_turbo postings ' || 'knowledge_postings'::regclass::oid, 0)) AS locked,
                    -- Packing again after a power failure is cheaper than a flush to disk.
                    set_config('synchronous_commit', 'off', true)",
            &[],
        )
        .await?;
    row.map_or(Ok(false), |row| row.column("locked"))
}

/// Entries of a segment that have a word, from which on it is packed: less than one of 8,192 makes no word frequent.
fn least(entries: usize) -> usize {
    (entries / 8192).max(1)
}

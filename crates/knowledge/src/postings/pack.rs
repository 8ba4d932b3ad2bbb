use std::collections::{HashMap, HashSet};

use agent_turbo_db::{self as db, Database, RowExt, Transaction};

use super::packed::{Note, Packer};
use super::{least, lock};
use crate::query::bm25::{RECORD, length};
use crate::query::words::project_key;

/// Entries that are worth a segment; questions look through fewer one by one.
pub(crate) const WORTH_PACKING: i64 = 1000;
/// Entries that are packed in one transaction, or somewhat more.
const AT_ONCE: i64 = 16_384;

/// Makes a segment of entries whose words are counted; says whether there were enough.
pub(super) async fn pack(db: &Database) -> db::Result<bool> {
    db.run_tx("pack_postings", async |tx: Transaction| {
        if !lock(&tx).await? {
            return Ok(false);
        }
        let taken = tx
            .rows(
                "take_unposted",
                "-- take_unposted
                 WITH first AS (
                     SELECT id, amount FROM knowledge_unposted ORDER BY id LIMIT 1000
                 ), fitting AS (
                     SELECT id, sum(amount) OVER (ORDER BY id) - amount AS before FROM first
                 )
                 DELETE FROM knowledge_unposted
                 WHERE (SELECT sum(amount) FROM first) >= $1 AND id IN (SELECT id FROM fitting WHERE before < $2)
                 RETURNING entries",
                &[&WORTH_PACKING, &AT_ONCE],
            )
            .await?;
        let taken = taken.iter().map(|row| row.column::<Vec<i64>>("entries"));
        let ids: Vec<i64> = taken.collect::<db::Result<Vec<_>>>()?.concat();
        let rows = tx
            .rows(
                "entries_to_pack",
                "-- entries_to_pack
                 SELECT id, project, frequencies FROM agent_knowledge WHERE id = ANY ($1) ORDER BY id",
                &[&ids],
            )
            .await?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(!ids.is_empty()) };
        let base = first.column::<i64>("id")? - 1;
        let (mut lists, mut projects) = (HashMap::<i32, Packer>::new(), HashSet::new());
        for row in &rows {
            let (id, project): (i64, &str) = (row.column("id")?, row.column("project")?);
            let frequencies: &[u8] = row.column::<Option<&[u8]>>("frequencies")?.unwrap_or_default();
            let length = length(frequencies);
            let mut push = |word: i32, times: u8| {
                lists.entry(word).or_insert_with(|| Packer::new(base)).push(id, Note::new(times, length));
            };
            for [a, b, c, d, times] in frequencies.as_chunks::<RECORD>().0 {
                push(i32::from_be_bytes([*a, *b, *c, *d]), *times);
            }
            let project = project_key(project);
            push(project, 1);
            projects.insert(project);
        }
        let segment = new_segment(&tx, rows.len(), base, last.column("id")?).await?;
        let frequent = least(rows.len());
        lists.retain(|word, list| list.entries >= frequent || projects.contains(word));
        write(&tx, segment, lists).await?;
        Ok(true)
    })
    .await
}

pub(super) async fn new_segment(tx: &Transaction, entries: usize, base: i64, last: i64) -> db::Result<i64> {
    let entries = i32::try_from(entries).unwrap_or(i32::MAX);
    let row = tx
        .row(
            "new_segment",
            "-- new_segment
             INSERT INTO knowledge_segments (entries, base, last) VALUES ($1, $2, $3) RETURNING id",
            &[&entries, &base, &last],
        )
        .await?;
    row.map_or(Ok(0), |row| row.column("id"))
}

pub(super) async fn write(tx: &Transaction, segment: i64, lists: HashMap<i32, Packer>) -> db::Result<()> {
    let mut lists: Vec<(i32, Vec<u8>)> = lists.into_iter().map(|(word, list)| (word, list.bytes)).collect();
    // In the order of the index.
    lists.sort_unstable_by_key(|(word, _)| *word);
    let (words, entries): (Vec<i32>, Vec<Vec<u8>>) = lists.into_iter().unzip();
    tx.change(
        "write_postings",
        "-- write_postings
         INSERT INTO knowledge_postings (word, segment, entries)
         SELECT word, $1, entries FROM unnest($2::integer[], $3::bytea[]) AS list (word, entries)",
        &[&segment, &words, &entries],
    )
    .await?;
    Ok(())
}

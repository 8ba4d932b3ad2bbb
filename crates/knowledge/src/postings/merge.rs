use std::collections::{BTreeMap, HashMap, HashSet};

use agent_turbo_db::{self as db, Database, RowExt, Transaction};

use super::pack::{WORTH_PACKING, new_segment, write};
use super::packed::{Note, Packer, unpack};
use super::{least, lock};
use crate::query::words::project_key;

/// Segments that become one, all of a size between two powers of this.
const FANOUT: usize = 4;
/// A segment of so many entries is not merged any more: merging it would take long.
pub(super) const LARGE: i32 = 256_000;
/// Merging segments of fewer entries takes less than a second.
pub(super) const QUICK: i32 = 16_000;
/// Words are merged in so many parts, to hold no more than that in memory.
const PARTS: i64 = 16;

struct Segment {
    id: i64,
    entries: i64,
    base: i64,
    last: i64,
}

/// Makes one segment of several of about the same size with fewer than `largest` entries each; says whether there were enough.
pub(super) async fn merge(db: &Database, largest: i32) -> db::Result<bool> {
    db.run_tx("merge_postings", async |tx: Transaction| {
        if !lock(&tx).await? {
            return Ok(false);
        }
        let Some(old) = of_one_size(&tx, largest).await? else { return Ok(false) };
        let entries: i64 = old.iter().map(|segment| segment.entries).sum();
        let base = old.iter().map(|segment| segment.base).min().unwrap_or_default();
        let last = old.iter().map(|segment| segment.last).max().unwrap_or_default();
        let merge = Merge {
            bases: old.iter().map(|segment| (segment.id, segment.base)).collect(),
            existing: if last - base <= 8 * entries { Some(existing(&tx, base, last).await?) } else { None },
            projects: projects(&tx).await?,
            least: least(usize::try_from(entries).unwrap_or(usize::MAX)),
            base,
        };
        let segment = new_segment(&tx, usize::try_from(entries).unwrap_or(usize::MAX), base, last).await?;
        for part in 0..PARTS {
            let lists = merge.part(&tx, part).await?;
            write(&tx, segment, lists).await?;
        }
        let ids: Vec<i64> = old.iter().map(|segment| segment.id).collect();
        tx.change(
            "delete_postings",
            "-- delete_postings
             WITH segments AS (DELETE FROM knowledge_segments WHERE id = ANY ($1))
             DELETE FROM knowledge_postings WHERE segment = ANY ($1)",
            &[&ids],
        )
        .await?;
        Ok(true)
    })
    .await
}

/// How the lists of several segments become one.
struct Merge {
    /// Of each segment, by its id.
    bases: HashMap<i64, i64>,
    /// Which ids between the first base and the last id still exist; not looked up where there would be many of others.
    existing: Option<HashSet<i64>>,
    projects: HashSet<i32>,
    least: usize,
    base: i64,
}

impl Merge {
    async fn part(&self, tx: &Transaction, part: i64) -> db::Result<HashMap<i32, Packer>> {
        let width = (1_i64 << 32) / PARTS;
        let from = i64::from(i32::MIN) + part * width;
        let ids: Vec<i64> = self.bases.keys().copied().collect();
        let rows = tx
            .rows(
                "postings_to_merge",
                "-- postings_to_merge
                 SELECT word, segment, entries FROM knowledge_postings
                 WHERE word BETWEEN $1 AND $2 AND segment = ANY ($3) ORDER BY segment",
                &[&(from as i32), &((from + width - 1) as i32), &ids],
            )
            .await?;
        let mut words: HashMap<i32, BTreeMap<i64, Note>> = HashMap::new();
        for row in &rows {
            let base = self.bases.get(&row.column("segment")?).copied().unwrap_or_default();
            let list = words.entry(row.column("word")?).or_default();
            for (distance, note) in unpack(row.column("entries")?) {
                let id = base.saturating_add_unsigned(distance);
                if self.existing.as_ref().is_none_or(|ids| ids.contains(&id)) {
                    // A later segment knows better.
                    list.insert(id, note);
                }
            }
        }
        words.retain(|word, list| {
            !list.is_empty() && (list.len() >= self.least || self.projects.contains(word))
        });
        Ok(words
            .into_iter()
            .map(|(word, list)| {
                let mut packer = Packer::new(self.base);
                for (id, note) in list {
                    packer.push(id, note);
                }
                (word, packer)
            })
            .collect())
    }
}

/// The oldest segments of the smallest size that has enough of them.
async fn of_one_size(tx: &Transaction, largest: i32) -> db::Result<Option<Vec<Segment>>> {
    let rows = tx
        .rows(
            "segments",
            "-- segments
             SELECT id, entries::bigint, base, last FROM knowledge_segments WHERE entries < $1 ORDER BY id",
            &[&largest],
        )
        .await?;
    let mut sizes: BTreeMap<u32, Vec<Segment>> = BTreeMap::new();
    for row in &rows {
        let segment = Segment {
            id: row.column("id")?,
            entries: row.column("entries")?,
            base: row.column("base")?,
            last: row.column("last")?,
        };
        let size = (segment.entries / WORTH_PACKING).max(1).ilog(FANOUT as i64);
        sizes.entry(size).or_default().push(segment);
    }
    Ok(sizes.into_values().find(|segments| segments.len() >= FANOUT).map(|mut segments| {
        segments.truncate(FANOUT);
        segments
    }))
}

async fn existing(tx: &Transaction, base: i64, last: i64) -> db::Result<HashSet<i64>> {
    let rows = tx
        .rows(
            "existing_entries",
            "-- existing_entries
             SELECT id FROM agent_knowledge WHERE id > $1 AND id <= $2",
            &[&base, &last],
        )
        .await?;
    rows.iter().map(|row| row.column("id")).collect()
}

/// The words by which segments know their projects.
async fn projects(tx: &Transaction) -> db::Result<HashSet<i32>> {
    let rows = tx
        .rows(
            "projects_of_segments",
            "-- projects_of_segments
             SELECT project FROM knowledge_sizes",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok(project_key(row.column("project")?))).collect()
}

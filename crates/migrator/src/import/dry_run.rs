use std::collections::HashMap;
use std::sync::Arc;

use agent_turbo_knowledge::{Candidate, ContentHash, Fingerprint};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Fate, Item, fate_of, read};
use crate::row::{Converter, Rejection};
use crate::shape::Selected;
use crate::source::Source;
use crate::{Error, Progress, Report, Result, Sample};

/// Rows of each table that are shown.
const SAMPLES: usize = 3;

/// Counts what an import would do. Nothing is embedded, and nothing written but hashes into a temporary file.
pub(super) async fn run(
    source: Source,
    tables: Arc<[Selected]>,
    converter: &Converter,
    rows: u64,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<()> {
    let seen = Seen::new().map_err(|error| Error::Sqlite { file: source.file.clone(), source: error })?;
    let file = source.file.clone();
    let mut windows = read(source, Arc::clone(&tables), converter.clone());
    let mut shown = vec![0; tables.len()];
    while let Some(window) = windows.items.recv().await {
        let known = known(converter, &window).await?;
        for Item { origin, entry } in &window {
            let table = &tables[origin.table].info.name;
            let fate = match entry {
                Err(_) => Fate::Rejected,
                Ok(candidate) => match known.get(candidate.content_hash()) {
                    Some(entry) => fate_of(entry, &converter.source_name, table, &origin.row),
                    None => {
                        let is_new = seen.add(candidate.content_hash());
                        let is_new = is_new.map_err(|source| Error::Sqlite { file: file.clone(), source })?;
                        if is_new { Fate::Imported } else { Fate::DuplicateInSource }
                    }
                },
            };
            report.counts.add(fate);
            report.tables[origin.table].counts.add(fate);
            if let (Fate::Imported, Ok(candidate)) = (fate, entry) {
                for kind in candidate.redacted() {
                    *report.redacted.entry((*kind).to_owned()).or_default() += 1;
                }
            }
            if shown[origin.table] < SAMPLES {
                shown[origin.table] += 1;
                let entry = document(entry);
                report.samples.push(Sample { table: table.clone(), row: origin.row.clone(), entry });
            }
        }
        progress.rows(report.counts.done(), rows, &report.counts);
        if progress.should_stop() {
            report.stopped = true;
            break;
        }
    }
    windows.finish().await?;
    Ok(())
}

pub(crate) async fn known(
    converter: &Converter,
    window: &[Item],
) -> Result<HashMap<ContentHash, Fingerprint>> {
    let hashes: Vec<&ContentHash> =
        window.iter().filter_map(|item| item.entry.as_ref().ok()).map(Candidate::content_hash).collect();
    let found = converter.store.fingerprints_of(&converter.project, &hashes).await?;
    Ok(found.into_iter().map(|entry| (entry.content_hash.clone(), entry)).collect())
}

fn document(entry: &Result<Candidate, Rejection>) -> Value {
    match entry {
        Ok(candidate) => {
            let (entry, history) = (candidate.entry(), candidate.history());
            json!({
                "content_hash": candidate.content_hash(), "content": entry.content,
                "knowledge_type": entry.knowledge_type.as_deref().unwrap_or("general"),
                "category": entry.category, "tags": entry.tags, "metadata": entry.metadata,
                "source_session": entry.source_session, "source_agent_platform": entry.source_agent_platform,
                "created_at": history.created_at, "access_count": history.access_count,
                "last_accessed": history.last_accessed,
            })
        }
        Err(rejection) => json!({ "rejected": rejection.reason, "excerpt": rejection.excerpt }),
    }
}

/// Hashes that were there before, in a temporary database, which needs little memory however many they are.
struct Seen(Connection);

impl Seen {
    fn new() -> rusqlite::Result<Self> {
        let connection = Connection::open("")?;
        connection.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             CREATE TABLE seen (hash TEXT PRIMARY KEY) WITHOUT ROWID; BEGIN",
        )?;
        Ok(Self(connection))
    }

    /// Whether it was not there.
    fn add(&self, hash: &ContentHash) -> rusqlite::Result<bool> {
        let mut insert = self.0.prepare_cached("INSERT OR IGNORE INTO seen VALUES (?1)")?;
        Ok(insert.execute([hash.as_str()])? == 1)
    }
}

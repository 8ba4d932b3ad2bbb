use std::sync::Arc;
use std::sync::atomic::Ordering;

use agent_turbo_knowledge::Fingerprint;

use super::{Expected, Findings, IMPORTED, IN_SOURCE, IN_TARGET, MISSING, REJECTED};
use crate::import::{Fate, Item, fate_of, known, read};
use crate::row::Converter;
use crate::shape::Selected;
use crate::source::Source;
use crate::{Counts, Progress, Result};

/// Every row of the source: is its text in the target, whole, and with a vector?
pub(super) async fn run(
    source: Source,
    tables: &Arc<[Selected]>,
    converter: &Converter,
    expected: &Expected,
    rows: u64,
    progress: &dyn Progress,
    findings: &mut Findings,
) -> Result<Source> {
    let mut windows = read(source, Arc::clone(tables), converter.clone());
    let mut done = 0;
    while let Some(window) = windows.items.recv().await {
        let known = match known(converter, &window).await {
            Ok(known) => known,
            Err(error) => {
                windows.stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
        };
        for Item { origin, entry } in &window {
            let table = &tables[origin.table].info.name;
            let Ok(candidate) = entry else {
                findings.classes[REJECTED].source_rows += 1;
                continue;
            };
            let hash = candidate.content_hash();
            let Some(stored) = known.get(hash) else {
                if expected.refused.contains(hash) {
                    findings.classes[REJECTED].source_rows += 1;
                } else {
                    let tally = &mut findings.classes[MISSING];
                    tally.source_rows += 1;
                    tally.source.add(hash);
                    findings.flaw(
                        table,
                        &origin.row,
                        format!("its text ({}) is not in the target", hash.short()),
                    );
                }
                continue;
            };
            let class = match fate_of(stored, &converter.source_name, table, &origin.row) {
                Fate::DuplicateInSource => IN_SOURCE,
                Fate::DuplicateInTarget => IN_TARGET,
                _ => IMPORTED,
            };
            let tally = &mut findings.classes[class];
            tally.source_rows += 1;
            tally.source.add(hash);
            tally.target_rows += 1;
            tally.target.add(&stored.actual_hash);
            if let Some(flaw) = flaw_of(stored) {
                findings.flaw(table, &origin.row, flaw);
            }
        }
        done += window.len() as u64;
        progress.rows(done, rows, &Counts { read: done, ..Counts::default() });
    }
    windows.finish().await
}

fn flaw_of(stored: &Fingerprint) -> Option<String> {
    let entry = stored.content_hash.short();
    if !stored.is_intact() {
        Some(format!("the text of the entry {entry} is not the one that it is known by"))
    } else if !stored.is_embedded {
        Some(format!("the entry {entry} has no vector"))
    } else {
        None
    }
}

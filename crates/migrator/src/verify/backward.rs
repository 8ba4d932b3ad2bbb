use std::collections::HashMap;
use std::sync::Arc;

use agent_turbo_knowledge::{ContentHash, Fingerprint};

use super::{Findings, IMPORTED};
use crate::row::Converter;
use crate::shape::Selected;
use crate::source::Source;
use crate::{Error, Result};

/// Every entry that says it is from the source: is its row there, with its text?
///
/// When there are as many as rows were found with their own entries, they are the same ones, and nothing more is read.
pub(super) async fn run(
    source: Source,
    tables: &Arc<[Selected]>,
    converter: &Converter,
    findings: &mut Findings,
) -> Result<()> {
    let entries = pages(converter, tables, async |_| Ok(())).await?;
    findings.entries = entries;
    if entries == findings.classes[IMPORTED].source_rows {
        return Ok(());
    }
    let mut source = Some(source);
    pages(converter, tables, async |page| {
        let Some(opened) = source.take() else { return Ok(()) };
        let (tables, converter) = (Arc::clone(tables), converter.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let flaws = flaws_of(&opened, &tables, &converter, page);
            (opened, flaws)
        });
        let (opened, flaws) = looked.await.map_err(Error::Panicked)?;
        source = Some(opened);
        for (entry, what) in flaws? {
            if let Some(from) = &entry.provenance {
                findings.flaw(&from.table, &from.row, what);
            }
        }
        Ok(())
    })
    .await?;
    Ok(())
}

/// Hands on the entries that came from the tables, page by page; returns how many there are.
async fn pages(
    converter: &Converter,
    tables: &[Selected],
    mut each: impl AsyncFnMut(Vec<Fingerprint>) -> Result<()>,
) -> Result<u64> {
    let mut after: Option<ContentHash> = None;
    let mut count = 0;
    loop {
        let page = converter
            .store
            .fingerprints_from(&converter.project, &converter.source_name, after.as_ref())
            .await?;
        let mut entries = page.entries;
        entries.retain(|entry| {
            entry
                .provenance
                .as_ref()
                .is_some_and(|from| tables.iter().any(|table| table.info.name == from.table))
        });
        count += entries.len() as u64;
        each(entries).await?;
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

fn flaws_of(
    source: &Source,
    tables: &[Selected],
    converter: &Converter,
    page: Vec<Fingerprint>,
) -> Result<Vec<(Fingerprint, String)>> {
    let tables: HashMap<&str, &Selected> =
        tables.iter().map(|table| (table.info.name.as_str(), table)).collect();
    let mut flaws = Vec::new();
    for entry in page {
        let Some(from) = &entry.provenance else { continue };
        let Some(table) = tables.get(from.table.as_str()) else { continue };
        let short = entry.content_hash.short();
        let what = match source.row(table, &from.row)? {
            None => format!("the entry {short} says it is from here, and there is no such row"),
            Some(row) => match converter.convert(table, &row) {
                Ok(candidate) if *candidate.content_hash() == entry.content_hash => continue,
                _ => format!("the entry {short} says it is from here, and the row has another text now"),
            },
        };
        flaws.push((entry, what));
    }
    Ok(flaws)
}

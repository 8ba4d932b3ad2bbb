//! Both sides held against each other: every row of the source against the target, and every entry from it against the
//! source.

mod backward;
mod digest;
mod forward;

use std::collections::HashSet;
use std::sync::Arc;

use agent_turbo_knowledge::{ContentHash, Store};
use serde_json::Value;

use crate::import::open;
use crate::report::{Class, Problem};
use crate::row::Converter;
use crate::shape::Selected;
use crate::source::Source;
use crate::{Counts, Options, Progress, Result, Verification};
use digest::Digest;

/// Reads a source and a store again, and says row class by row class whether they match. Writes nothing.
#[tracing::instrument(name = "migrator.verify", skip_all, fields(project = %options.project))]
pub async fn verify(store: &Store, options: &Options, progress: &dyn Progress) -> Result<Verification> {
    let opened = open(store, options).await?;
    progress.step(&format!("{} rows of {}", opened.rows, opened.report.source));
    let expected = Expected { counts: None, refused: HashSet::new() };
    compare(opened.source, &opened.tables, &opened.converter, &expected, opened.rows, progress).await
}

/// What an import that just ended knows.
pub(crate) struct Expected {
    pub(crate) counts: Option<Counts>,
    /// Texts that cannot be there.
    pub(crate) refused: HashSet<ContentHash>,
}

pub(crate) async fn compare(
    source: Source,
    tables: &Arc<[Selected]>,
    converter: &Converter,
    expected: &Expected,
    rows: u64,
    progress: &dyn Progress,
) -> Result<Verification> {
    let mut findings = Findings::default();
    let reading = source.reading;
    let source = forward::run(source, tables, converter, expected, rows, progress, &mut findings).await?;
    backward::run(source, tables, converter, &mut findings).await?;
    if let Some(counts) = expected.counts {
        findings.hold_against(&counts);
    }
    Ok(Verification {
        source: converter.source_name.clone(),
        reading,
        project: converter.project.clone(),
        classes: findings.classes.into_iter().map(Tally::into_class).collect(),
        entries: findings.entries,
        flaws: findings.flaws,
        problems: findings.problems,
    })
}

const MAX_PROBLEMS: usize = 100;
const IMPORTED: usize = 0;
const IN_SOURCE: usize = 1;
const IN_TARGET: usize = 2;
const REJECTED: usize = 3;
const MISSING: usize = 4;

#[derive(Debug)]
struct Findings {
    classes: [Tally; 5],
    entries: u64,
    flaws: u64,
    problems: Vec<Problem>,
}

/// One class on both sides.
#[derive(Debug)]
struct Tally {
    class: &'static str,
    source_rows: u64,
    target_rows: u64,
    source: Digest,
    target: Digest,
}

impl Default for Findings {
    fn default() -> Self {
        let classes = ["imported", "duplicate_in_source", "duplicate_in_target", "rejected", "missing"];
        let classes = classes.map(|class| Tally {
            class,
            source_rows: 0,
            target_rows: 0,
            source: Digest::default(),
            target: Digest::default(),
        });
        Self { classes, entries: 0, flaws: 0, problems: Vec::new() }
    }
}

impl Findings {
    fn flaw(&mut self, table: &str, row: &Value, what: impl Into<String>) {
        self.flaws += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { table: table.to_owned(), row: row.clone(), what: what.into() });
        }
    }

    /// What the import counted has to be what is found now.
    fn hold_against(&mut self, counts: &Counts) {
        let counted = [
            (IMPORTED, counts.imported + counts.resumed),
            (IN_SOURCE, counts.duplicate_in_source),
            (IN_TARGET, counts.duplicate_in_target),
            (REJECTED, counts.rejected),
        ];
        for (class, counted) in counted {
            let Tally { class, source_rows, .. } = self.classes[class];
            if source_rows != counted {
                let what = format!("the import counted {counted} rows as {class}, {source_rows} were found");
                self.flaw("", &Value::Null, what);
            }
        }
    }
}

impl Tally {
    /// The class of rows that are not in the target has no other side.
    fn into_class(self) -> Class {
        let Self { class, source_rows, target_rows, source, target } = self;
        let matches = match class {
            "rejected" => true,
            "missing" => source_rows == 0,
            _ => source_rows == target_rows && source == target,
        };
        Class {
            class,
            source_rows,
            target_rows,
            source_digest: source.to_string(),
            target_digest: target.to_string(),
            matches,
        }
    }
}

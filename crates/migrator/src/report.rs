use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::path::PathBuf;

use agent_turbo_knowledge::Project;
use serde::Serialize;
use serde_json::Value;

use crate::Mapping;

/// What an import did, or, in a dry run, would do.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The source, as the entries' provenance names it.
    pub source: String,
    /// How the file was read.
    pub reading: Reading,
    /// Where the entries belong.
    pub project: Project,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Whether it was stopped before the end.
    pub stopped: bool,
    /// What became of the rows.
    pub counts: Counts,
    /// The same, table by table.
    pub tables: Vec<TableReport>,
    /// What else the file holds.
    pub skipped: Vec<Skipped>,
    /// Kinds of secrets that were replaced before storing, and how often, in the rows that are new.
    pub redacted: BTreeMap<String, u64>,
    /// New texts that are longer than the model reads: by meaning, only their beginnings are found.
    pub truncated: u64,
    /// Where the rejected rows are, if there are any.
    pub rejects: Option<PathBuf>,
    /// The first rows of each table as they would be stored; in a dry run only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
    /// Both sides held against each other; `None` if it was stopped, and in a dry run.
    pub verification: Option<Verification>,
    /// How long it took.
    pub seconds: f64,
}

/// How the source file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Beside whoever else uses it, in one transaction.
    Shared,
    /// As a file that nobody has open: it is in WAL mode and has no `-wal`, and nothing may be made beside it.
    Immutable,
    /// From a temporary copy: what a crashed program left beside it can only be read by writing there.
    Copy,
}

/// Rows by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All.
    pub read: u64,
    /// New in the target.
    pub imported: u64,
    /// An earlier run over this source had imported them.
    pub resumed: u64,
    /// Another row of this source has the same text.
    pub duplicate_in_source: u64,
    /// The target had the text from somewhere else.
    pub duplicate_in_target: u64,
    /// Cannot be imported.
    pub rejected: u64,
}

/// One table's part of a [`Report`].
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// What it was recognised as; `mapped` when that was said.
    pub shape: &'static str,
    /// What its columns mean.
    pub mapping: Mapping,
    /// What became of its rows.
    pub counts: Counts,
}

/// A table that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The table.
    pub table: String,
    /// Why.
    pub why: &'static str,
}

/// A row as it would be stored.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// The table.
    pub table: String,
    /// The row.
    pub row: Value,
    /// The entry.
    pub entry: Value,
}

/// Both sides held against each other.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// The source, as the entries' provenance names it.
    pub source: String,
    /// How the file was read.
    pub reading: Reading,
    /// Where the entries belong.
    pub project: Project,
    /// Rows of the source, class by class.
    pub classes: Vec<Class>,
    /// Entries that say that they come from this source.
    pub entries: u64,
    /// Everything that is not as it should be.
    pub flaws: u64,
    /// The first 100 of them.
    pub problems: Vec<Problem>,
}

/// Rows of one class, on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Class {
    /// Which.
    pub class: &'static str,
    /// Rows of the source.
    pub source_rows: u64,
    /// Those of them whose texts are in the target.
    pub target_rows: u64,
    /// Of the content hashes of the rows: their sum, so that order does not matter.
    pub source_digest: String,
    /// Of the hashes of the texts that the target holds for them.
    pub target_digest: String,
    /// Whether both sides are the same.
    pub matches: bool,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The table in the source.
    pub table: String,
    /// The row in it.
    pub row: Value,
    /// What is wrong.
    pub what: String,
}

impl Counts {
    /// Rows that were dealt with.
    pub fn done(&self) -> u64 {
        self.imported + self.resumed + self.duplicate_in_source + self.duplicate_in_target + self.rejected
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.imported += other.imported;
        self.resumed += other.resumed;
        self.duplicate_in_source += other.duplicate_in_source;
        self.duplicate_in_target += other.duplicate_in_target;
        self.rejected += other.rejected;
    }
}

impl Report {
    /// Whether everything that was read is in the target, and both sides match.
    pub fn is_verified(&self) -> bool {
        self.verification.as_ref().is_some_and(Verification::is_intact)
    }
}

impl Verification {
    /// Rows of the source.
    pub fn rows(&self) -> u64 {
        self.classes.iter().map(|class| class.source_rows).sum()
    }

    /// Whether both sides match.
    pub fn is_intact(&self) -> bool {
        self.flaws == 0 && self.classes.iter().all(|class| class.matches)
    }
}

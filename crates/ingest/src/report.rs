use std::collections::BTreeMap;
use std::path::PathBuf;

use agent_turbo_documents::Skip;
use serde::Serialize;

/// What became of the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DocumentCounts {
    /// Not known before.
    pub added: u64,
    /// Known, and read anew.
    pub changed: u64,
    /// Known, and as they were.
    pub unchanged: u64,
    /// Known, and gone.
    pub removed: u64,
    /// Not taken.
    pub skipped: u64,
}

/// What became of the pieces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ChunkCounts {
    /// Embedded and stored; in a dry run, those that would be.
    pub embedded: u64,
    /// The project had their texts.
    pub known: u64,
    /// Removed, as no document holds them any more.
    pub removed: u64,
    /// Could not be taken.
    pub rejected: u64,
}

/// A file that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedFile {
    /// The file, or a folder that cannot be listed.
    pub path: PathBuf,
    /// Why.
    #[serde(flatten)]
    pub skip: Skip,
}

/// A piece or a line that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// The file.
    pub path: PathBuf,
    /// Its first line, from 1.
    pub line: u32,
    /// Why.
    pub why: String,
}

/// What an ingest came to.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where the entries belong.
    pub project: String,
    /// What was given, as whole paths.
    pub roots: Vec<PathBuf>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Whether it was stopped before its end.
    pub stopped: bool,
    /// What became of the files.
    pub documents: DocumentCounts,
    /// What became of their pieces.
    pub chunks: ChunkCounts,
    /// Files that were not taken, by their reasons.
    pub skipped_for: BTreeMap<String, u64>,
    /// Some of the files that were not taken: those first that somebody may want to mend.
    pub skipped: Vec<SkippedFile>,
    /// Some of the pieces and lines that were not taken.
    pub rejected: Vec<Rejected>,
    /// Files that were not taken because of an error.
    pub failed: u64,
    /// Secrets that were replaced before storing, by their kinds.
    pub redacted: BTreeMap<String, u64>,
    /// Texts longer than the model reads: only their beginnings are found by meaning.
    pub truncated: u64,
    /// How long it took.
    pub seconds: f64,
}

/// Files and lines that are named; all are counted.
const MAX_NAMED: usize = 100;

impl Report {
    pub(crate) fn new(project: String, dry_run: bool) -> Self {
        Self {
            project,
            roots: Vec::new(),
            dry_run,
            stopped: false,
            documents: DocumentCounts::default(),
            chunks: ChunkCounts::default(),
            skipped_for: BTreeMap::new(),
            skipped: Vec::new(),
            rejected: Vec::new(),
            failed: 0,
            redacted: BTreeMap::new(),
            truncated: 0,
            seconds: 0.0,
        }
    }

    /// Whether something was left out that somebody may want to mend.
    pub fn has_errors(&self) -> bool {
        self.failed > 0 || self.chunks.rejected > 0
    }

    /// Whether the store is another one than before.
    pub fn has_changes(&self) -> bool {
        let (documents, chunks) = (&self.documents, &self.chunks);
        documents.added + documents.changed + documents.removed + chunks.embedded + chunks.removed > 0
    }

    pub(crate) fn skip(&mut self, path: PathBuf, skip: Skip) {
        self.documents.skipped += 1;
        let reason = match &skip {
            Skip::Unreadable { .. } => "cannot be read".to_owned(),
            Skip::Damaged { .. } => "damaged".to_owned(),
            other => other.to_string(),
        };
        *self.skipped_for.entry(reason).or_default() += 1;
        if skip.is_error() {
            self.failed += 1;
            let errors = self.skipped.iter().take_while(|file| file.skip.is_error()).count();
            self.skipped.insert(errors, SkippedFile { path, skip });
            self.skipped.truncate(MAX_NAMED);
        } else if self.skipped.len() < MAX_NAMED {
            self.skipped.push(SkippedFile { path, skip });
        }
    }

    pub(crate) fn reject(&mut self, rejected: Rejected) {
        self.chunks.rejected += 1;
        if self.rejected.len() < MAX_NAMED {
            self.rejected.push(rejected);
        }
    }
}

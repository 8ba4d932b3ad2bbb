use std::path::PathBuf;

use agent_turbo_documents::{CHUNKER, DEFAULT_CHARS};
use agent_turbo_knowledge::Project;

/// What to ingest, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Where the entries belong.
    pub project: Project,
    /// Whether lines that name a project go to [`project`](Self::project) all the same.
    pub is_project_given: bool,
    /// Only files whose names fit one of these; all, if there is none.
    pub include: Vec<String>,
    /// No files whose names fit one of these.
    pub exclude: Vec<String>,
    /// The largest file that is taken, in bytes. JSON lines are read one at a time and have no such limit.
    pub max_bytes: u64,
    /// The longest chunk, in characters.
    pub chunk_chars: usize,
    /// Stop at the first line that cannot be used.
    pub strict: bool,
    /// Write nothing, and say what would happen.
    pub dry_run: bool,
}

impl Options {
    /// Everything below `paths`, for the default project.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            project: Project::default(),
            is_project_given: false,
            include: Vec::new(),
            exclude: Vec::new(),
            max_bytes: 8 << 20,
            chunk_chars: DEFAULT_CHARS,
            strict: false,
            dry_run: false,
        }
    }

    /// The way in which files are split. Another one splits them anew.
    pub(crate) fn chunker(&self) -> String {
        format!("{CHUNKER}/{}", self.chunk_chars)
    }
}

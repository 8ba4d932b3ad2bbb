use std::path::PathBuf;

/// What can go wrong before any file is looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given is not there, or cannot be looked at.
    #[error("look at {path:?}")]
    Path {
        /// What was given.
        path: PathBuf,
        /// Why that failed.
        source: std::io::Error,
    },
    /// Its name is not text.
    #[error("take {0:?} for a document: its name is not UTF-8")]
    Name(PathBuf),
    /// A pattern of names cannot be understood.
    #[error("understand the pattern {pattern:?}")]
    Glob {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
}

/// The result of looking for documents.
pub type Result<T, E = Error> = std::result::Result<T, E>;

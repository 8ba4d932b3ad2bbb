use std::io;
use std::path::{Path, PathBuf};

/// What setting up a client fails with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a client's configuration was left as it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it did not work.
        source: io::Error,
    },
    /// The file is not what its client reads.
    #[error("read {}, line {line}, column {column}: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// The file is no text, or too big.
    #[error("read {}: {why}", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// What it is.
        why: String,
    },
    /// Something else stands where our part belongs.
    #[error("add to {}: {place} {why}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The setting.
        place: String,
        /// What is the matter with it.
        why: &'static str,
    },
    /// Somebody else has a server of our name.
    #[error("add to {}: {place} is there, and is not of our making", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
        /// The setting.
        place: String,
    },
    /// Somebody changed the file meanwhile.
    #[error("write {}: it was changed by somebody else at the same time", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The client has no file of this scope, or none is known.
    #[error("find the configuration of {client}: {why}")]
    NoPlace {
        /// The client.
        client: &'static str,
        /// What is missing.
        why: &'static str,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }

    /// The way out, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax { .. } | Self::NotText { .. } => {
                Some("the file was left as it is; mend it, or add what --print shows by hand".to_owned())
            }
            Self::Shape { .. } => {
                Some("the file was left as it is; add what --print shows by hand".to_owned())
            }
            Self::Taken { .. } => Some("the file was left as it is; rename or remove that entry".to_owned()),
            Self::Changed { .. } => Some("nothing was written; try again".to_owned()),
            Self::NoPlace { .. } | Self::Io { .. } => None,
        }
    }
}

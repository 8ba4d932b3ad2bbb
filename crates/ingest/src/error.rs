use std::path::PathBuf;

use agent_turbo_documents as documents;
use agent_turbo_knowledge as knowledge;

/// What can go wrong with documents on their way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given is not there, or makes no sense.
    #[error(transparent)]
    Documents(#[from] documents::Error),
    /// A line of a file cannot be used, and nothing was to be passed over.
    #[error("take line {line} of {path:?}: {why}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: u32,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody else ingests into the same project.
    #[error("begin: another ingest is under way in project {0}")]
    AlreadyRunning(knowledge::Project),
    /// The service refuses one text after the other.
    #[error("embed the texts: the service refused {0} of them, the last one so: {1}")]
    ServiceRefuses(u64, String),
    /// The system tells nothing of changed files.
    #[error("watch the files")]
    Watch(#[source] notify::Error),
    /// What was exported cannot be written.
    #[error("write the lines")]
    Write(#[source] std::io::Error),
    /// A part of the program panicked.
    #[error("go on with the documents")]
    Panicked(#[source] tokio::task::JoinError),
    /// The store.
    #[error(transparent)]
    Knowledge(#[from] knowledge::Error),
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The way out, where there is one that can be told in general.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::AlreadyRunning(_) => {
                "wait until it is done, or stop it; what it stored is not embedded again"
            }
            Self::Line { .. } => "mend the line, or leave --strict out to pass over lines like this",
            Self::Panicked(_) => "run the same command again: it goes on where this one stopped",
            Self::Watch(_) => "on Linux the limit fs.inotify.max_user_watches may have to be raised",
            Self::Knowledge(error) => return error.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

use std::path::PathBuf;

use agent_turbo_knowledge as knowledge;

/// What can go wrong with an import.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be taken for a source.
    #[error("read {file:?}: {why}")]
    BadSource {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What is asked for does not fit the file.
    #[error("accept {what}: {why}")]
    BadInput {
        /// Which part of the input.
        what: &'static str,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// Nobody has said which of its columns mean what.
    #[error("recognise what {file:?} holds")]
    Unrecognised {
        /// The file.
        file: PathBuf,
        /// What it seems to be, the likeliest first.
        proposals: Vec<crate::Proposal>,
    },
    /// Somebody else imports into the same tables.
    #[error("begin the import: another one is under way on this database")]
    AlreadyRunning,
    /// A program began to write to the file, which nobody else had open before.
    #[error("read {0:?}: somebody began to write to it meanwhile")]
    SourceChanged(PathBuf),
    /// The service refuses one text after the other.
    #[error("embed the texts: the service refused {0} of them, the last one so: {1}")]
    ServiceRefuses(u64, String),
    /// SQLite.
    #[error("read {file:?}")]
    Sqlite {
        /// The file.
        file: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The source's copy, or the file of rejected rows.
    #[error("{what} {file:?}")]
    File {
        /// What was to be done with it.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// Why that failed.
        source: std::io::Error,
    },
    /// A part of the program panicked.
    #[error("go on with the import")]
    Panicked(#[source] tokio::task::JoinError),
    /// The target.
    #[error(transparent)]
    Knowledge(#[from] knowledge::Error),
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn bad_input(what: &'static str, why: impl Into<String>) -> Self {
        Self::BadInput { what, why: why.into() }
    }

    /// The way out, where there is one that can be told in general.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::AlreadyRunning => {
                "wait until it is done, or stop it; what it imported is not imported again"
            }
            Self::SourceChanged(_) | Self::Panicked(_) => {
                "run the same command again: it goes on where this one stopped"
            }
            Self::Unrecognised { .. } => "look at the proposals, then name one table and its columns",
            Self::Knowledge(error) => return error.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

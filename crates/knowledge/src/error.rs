use agent_turbo_db as db;
use agent_turbo_embed as embed;

use crate::{ContentHash, EntryRef};

/// What can go wrong with knowledge.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given cannot be stored or asked.
    #[error("accept {what}: {why}")]
    BadInput {
        /// Which part of the input.
        what: &'static str,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// Several entries begin like this.
    #[error("tell which entry {0} means: several begin like that")]
    Ambiguous(EntryRef),
    /// The new text is already there as another entry.
    #[error("change the entry: {0} already has this text")]
    Exists(ContentHash),
    /// Somebody else changed the entry while this change was prepared.
    #[error("change the entry: somebody else just changed it")]
    ChangedMeanwhile,
    /// Another move is to be finished, or dropped, first.
    #[error("move the store to {to}: a move to {under_way} is not finished")]
    Reembedding {
        /// The model that was asked for.
        to: String,
        /// The model of the unfinished move.
        under_way: String,
    },
    /// Somebody else moves the store right now.
    #[error("move the store to another model: somebody else does so right now")]
    AlreadyReembedding,
    /// Others never left the table alone for a moment.
    #[error("let the new vectors take the place of the old ones: other programs are always in the way")]
    Busy,
    /// The service has no vector for some texts.
    #[error("embed {refused} entries, the first of which is {entry}")]
    NotEmbedded {
        /// The first of them.
        entry: ContentHash,
        /// How many.
        refused: u64,
        /// What the service said of the first.
        source: embed::Error,
    },
    /// An entry would take the place of one that took its own.
    #[error("let {by} take the place of {old}: it is the same entry, or was superseded by it")]
    SupersedesItself {
        /// The entry whose place was to be taken.
        old: ContentHash,
        /// The entry that was to take it.
        by: ContentHash,
    },
    /// The entry has no such version.
    #[error("find {} of {entry}", version.map_or_else(|| "an earlier version".to_owned(), |version| format!("version {version}")))]
    NoVersion {
        /// The entry.
        entry: ContentHash,
        /// Its number; `None` where any would have done.
        version: Option<i32>,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// The embedding service.
    #[error(transparent)]
    Embedding(#[from] embed::Error),
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn bad_input(what: &'static str, why: impl Into<String>) -> Self {
        Self::BadInput { what, why: why.into() }
    }

    /// The way out, where there is one that can be told in general.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Ambiguous(_) => Some("give more digits of the hash".to_owned()),
            Self::ChangedMeanwhile => Some("look at it again and repeat the change".to_owned()),
            Self::Reembedding { under_way, .. } => Some(format!(
                "agent-turbo reembed --model {under_way} goes on with it, agent-turbo reembed --abort drops it"
            )),
            Self::AlreadyReembedding => Some("agent-turbo reembed --status says how far it is".to_owned()),
            Self::Busy => Some(
                "is a transaction left open, or a backup under way? Run the same command again: it goes on"
                    .to_owned(),
            ),
            Self::NotEmbedded { .. } => {
                Some("change or delete them, and run the same command again: it goes on".to_owned())
            }
            Self::Database(error) => error.hint(),
            Self::Embedding(error) => error.hint(),
            Self::NoVersion { .. } => Some("agent-turbo history HASH lists the versions".to_owned()),
            Self::BadInput { .. } | Self::Exists(_) | Self::SupersedesItself { .. } => None,
        }
    }
}

impl db::Retryable for Error {
    fn database_error(&self) -> Option<&db::Error> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

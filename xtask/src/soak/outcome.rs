//! What an error of the product means to an agent.

use agent_turbo_db as db;
use agent_turbo_embed as embed;
use agent_turbo_knowledge as knowledge;
use agent_turbo_orchestrator as orchestrator;
use serde::{Deserialize, Serialize};

/// Classes of failures, as far as faults can explain them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Class {
    Unreachable,
    ConnectionLost,
    CommitUnknown,
    Timeout,
    PoolTimeout,
    Embedding,
    /// The lease ended, or an earlier attempt whose answer was lost used it up.
    LeaseLost,
    /// What no fault explains.
    Unexpected,
}

/// An error, whichever layer it comes from.
#[derive(Debug)]
pub(super) enum Trouble {
    Database(db::Error),
    Embedding(embed::Error),
    Orchestrator(orchestrator::Error),
    /// An answer by words alone.
    Degraded(String),
    Other(String),
}

impl Trouble {
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Database(error) => match error {
                db::Error::Unreachable { .. } => Class::Unreachable,
                db::Error::ConnectionLost { .. } => Class::ConnectionLost,
                db::Error::CommitUnknown { .. } => Class::CommitUnknown,
                db::Error::Timeout { .. } => Class::Timeout,
                db::Error::PoolTimeout { .. } => Class::PoolTimeout,
                _ => Class::Unexpected,
            },
            Self::Degraded(_) => Class::Embedding,
            Self::Embedding(error) if error.is_unavailable() => Class::Embedding,
            Self::Orchestrator(orchestrator::Error::LostLease { .. }) => Class::LeaseLost,
            Self::Embedding(_) | Self::Orchestrator(_) | Self::Other(_) => Class::Unexpected,
        }
    }

    /// The whole chain.
    pub(super) fn text(self) -> String {
        match self {
            Self::Database(error) => format!("{:#}", anyhow::Error::new(error)),
            Self::Embedding(error) => format!("{:#}", anyhow::Error::new(error)),
            Self::Orchestrator(error) => format!("{:#}", anyhow::Error::new(error)),
            Self::Degraded(text) | Self::Other(text) => text,
        }
    }
}

impl From<orchestrator::Error> for Trouble {
    fn from(error: orchestrator::Error) -> Self {
        match error {
            orchestrator::Error::Database(error) => Self::Database(error),
            other => Self::Orchestrator(other),
        }
    }
}

impl From<knowledge::Error> for Trouble {
    fn from(error: knowledge::Error) -> Self {
        match error {
            knowledge::Error::Database(error) => Self::Database(error),
            knowledge::Error::Embedding(error) => Self::Embedding(error),
            other => Self::Other(format!("{:#}", anyhow::Error::new(other))),
        }
    }
}

use std::time::Duration;

use crate::Model;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong between this program and the embedding service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used as it is.
    #[error("use the embedding configuration: {0}")]
    Config(String),
    /// Nobody answers there.
    #[error("reach the embedding service at {url}")]
    Unreachable {
        /// The service's base URL.
        url: String,
        /// What the connection said.
        source: Source,
    },
    /// No answer in time.
    #[error("get an answer from the embedding service at {url} within {limit:?}")]
    Timeout {
        /// The service's base URL.
        url: String,
        /// The bound of one attempt.
        limit: Duration,
    },
    /// The service refuses this text.
    #[error("embed this text: the service says {status}: {message}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// The service's own words.
        message: String,
    },
    /// The service is there and cannot answer now.
    #[error("use the embedding service at {url}: it says {status}: {message}")]
    Unavailable {
        /// The service's base URL.
        url: String,
        /// HTTP status.
        status: u16,
        /// The service's own words.
        message: String,
    },
    /// The answer is not what the protocol promises.
    #[error("understand the embedding service at {url}: {what}")]
    BadAnswer {
        /// The service's base URL.
        url: String,
        /// What was wrong with it.
        what: String,
    },
    /// The vector cannot be compared with others.
    #[error("use the vector from {url}: {what}")]
    BadVector {
        /// The service's base URL.
        url: String,
        /// NaN, zero, or of the wrong length.
        what: String,
    },
    /// The service answers with another model than it did, or than is stored.
    #[error("use vectors of {got} beside those of {expected}")]
    ModelChanged {
        /// What was agreed on.
        expected: Model,
        /// What came.
        got: Model,
    },
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The way out, where there is one that can be told in general.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Unavailable { .. } => {
                "is the service running, and is AGENT_TURBO_EMBED_URL right? Without it `agent-turbo up` starts one"
            }
            Self::BadAnswer { .. } | Self::BadVector { .. } => {
                "does AGENT_TURBO_EMBED_URL name an embedding service? `agent-turbo doctor` asks it for its health"
            }
            Self::ModelChanged { .. } => {
                "serve the model that the stored vectors come from, or use another database or schema for the new one"
            }
            Self::Config(_) | Self::Rejected { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether the service could not be used at all, whatever the text.
    pub fn is_unavailable(&self) -> bool {
        !matches!(self, Self::Rejected { .. } | Self::Config(_))
    }

    /// Whether the next text of the same batch may fare better.
    pub(crate) fn is_of_one_text(&self) -> bool {
        matches!(self, Self::Rejected { .. } | Self::BadVector { .. })
    }

    /// Whether another attempt may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Unavailable { .. })
    }
}

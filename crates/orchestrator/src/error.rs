use agent_turbo_db as db;

use crate::ids::{SessionId, TaskId};

/// What can go wrong between agents, their machines and their work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given cannot be stored.
    #[error("accept {what}: {why}")]
    BadInput {
        /// Which part of the input.
        what: &'static str,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// No machine of this name is registered.
    #[error("find the machine {0:?}")]
    UnknownNode(String),
    /// Several machines have a service of this name.
    #[error("tell which service {name:?} means: it is registered on {nodes}")]
    AmbiguousService {
        /// The service.
        name: String,
        /// The machines.
        nodes: String,
    },
    /// No session has this id.
    #[error("find the session {0}")]
    UnknownSession(SessionId),
    /// No task has this id.
    #[error("find the task {0}")]
    UnknownTask(TaskId),
    /// The database.
    #[error(transparent)]
    Database(#[from] db::Error),
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
            Self::Database(error) => error.hint(),
            Self::UnknownNode(_) => Some(
                "`agent-turbo node list` shows the machines; `agent-turbo node register` adds one".to_owned(),
            ),
            Self::AmbiguousService { .. } => Some("name the machine as well, with --node".to_owned()),
            Self::UnknownSession(_) => {
                Some("`agent-turbo session list` shows the sessions; `session start` begins one".to_owned())
            }
            Self::UnknownTask(_) => Some("`agent-turbo task list` shows the tasks".to_owned()),
            Self::BadInput { .. } => None,
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

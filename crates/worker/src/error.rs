use std::io;

use agent_turbo_orchestrator as orchestrator;

/// Why a worker cannot go on. What goes wrong with one task is that task's failure, not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given makes no sense.
    #[error("accept {what}: {why}")]
    BadInput {
        /// Which part of the input.
        what: &'static str,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// The command is not there, or may not be run: no task can be done with it.
    #[error("run {command:?}")]
    Command {
        /// What was to be run.
        command: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No place for the files that a task's command reads.
    #[error("write a task's files")]
    Files(#[source] io::Error),
    /// Sessions and tasks.
    #[error(transparent)]
    Orchestrator(#[from] orchestrator::Error),
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
            Self::Command { .. } => Some(
                "no task was harmed: the one that was claimed is back in the queue. Name a program that is there and \
                 may be run, such as `-- sh -c '…'`"
                    .to_owned(),
            ),
            Self::Orchestrator(error) => error.hint(),
            Self::BadInput { .. } | Self::Files(_) => None,
        }
    }
}

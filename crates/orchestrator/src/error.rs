use agent_turbo_db as db;

use crate::ids::{SessionId, TaskId};
use crate::task::{Task, TaskStatus};

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
    /// The session is over.
    #[error("work in session {session}, which is {status}")]
    SessionEnded {
        /// The session.
        session: SessionId,
        /// How it ended.
        status: String,
    },
    /// Tasks are to be done after tasks that do not exist.
    #[error("depend on tasks that do not exist: {0}")]
    UnknownDependencies(String),
    /// Tasks would wait for each other.
    #[error("depend on tasks in a cycle: {0}")]
    DependencyCycle(String),
    /// The lease that was shown is not the one that the task is held by; nothing was changed.
    #[error("use this lease of task {task}, which is lost: the task is {now}")]
    LostLease {
        /// The task.
        task: TaskId,
        /// Where it stands, and who holds it.
        now: String,
    },
    /// The task is in a state that does not allow it; nothing was changed.
    #[error("have task {task} {change}: it is {status}")]
    TaskState {
        /// The task.
        task: TaskId,
        /// Where it stands.
        status: TaskStatus,
        /// What was wanted.
        change: &'static str,
    },
    /// Who did a task approves its result.
    #[error("approve a result with the session that produced it")]
    OwnWork,
    /// Every id that was tried is taken.
    #[error("find an id that is free")]
    NoFreeId,
    /// Somebody else did a part of the same thing at the same time; nothing was changed.
    #[error("run {0} beside somebody who does the same")]
    Raced(&'static str),
    /// What was exported could not be handed on.
    #[error("hand on what is exported")]
    Export(#[source] std::io::Error),
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

    /// Somebody else has the task, or nobody.
    pub(crate) fn lost_lease(task: &Task) -> Self {
        let now = match (&task.status, &task.lease_session_id) {
            (TaskStatus::InProgress, Some(holder)) => format!("in progress, held by {holder}"),
            (TaskStatus::InProgress, None) => "in progress, held by somebody else".to_owned(),
            (status, _) => status.to_string(),
        };
        Self::LostLease { task: task.task_id.clone(), now }
    }

    /// Whether the same may succeed later: the database was away, or somebody was faster. Everything that takes a token, a
    /// key or an id can simply be sent again.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Database(error) => {
                error.is_unavailable() || matches!(error, db::Error::CommitUnknown { .. })
            }
            Self::Raced(_) => true,
            _ => false,
        }
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
            Self::SessionEnded { session, .. } => {
                Some(format!("`agent-turbo session start --resume {session}` goes on with it"))
            }
            Self::UnknownDependencies(_) => {
                Some("nothing was created; `agent-turbo task list` shows the tasks".to_owned())
            }
            Self::DependencyCycle(_) => {
                Some("nothing was created; remove one of these dependencies".to_owned())
            }
            Self::LostLease { .. } => Some(
                "stop working on it: its lease ended, and what was done since is not recorded".to_owned(),
            ),
            Self::TaskState { task, status, .. } => Some(match status {
                TaskStatus::Failed | TaskStatus::Cancelled => {
                    format!("`agent-turbo task retry {task}` puts it back into the queue")
                }
                _ => format!("`agent-turbo task why {task}` tells more"),
            }),
            Self::OwnWork => Some("let another session audit it".to_owned()),
            Self::NoFreeId | Self::Raced(_) => Some("try again".to_owned()),
            Self::BadInput { .. } | Self::Export(_) => None,
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

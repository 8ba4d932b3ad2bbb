use agent_turbo_orchestrator as orchestrator;

/// What can go wrong in planning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A plan that is none: where, and what is wrong there.
    #[error("accept the plan: {0}")]
    BadPlan(String),
    /// A task of a plan is to be done after something that is nowhere.
    #[error(
        "accept the plan: task {task:?} is after {after:?}, which is no key of the plan and no task that exists"
    )]
    UnknownReference {
        /// The key of the task.
        task: String,
        /// What it names.
        after: String,
        /// Keys that look like it.
        similar: Vec<String>,
    },
    /// Sessions, tasks and the database.
    #[error(transparent)]
    Orchestrator(#[from] orchestrator::Error),
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The way out, where there is one that can be told in general.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::BadPlan(_) => Some("`agent-turbo plan load --help` shows a plan".to_owned()),
            Self::UnknownReference { similar, .. } if !similar.is_empty() => {
                Some(format!("keys that look like it: {}", similar.join(", ")))
            }
            Self::UnknownReference { .. } => {
                Some("`agent-turbo task list` shows the tasks that exist".to_owned())
            }
            Self::Orchestrator(error) => error.hint(),
        }
    }
}

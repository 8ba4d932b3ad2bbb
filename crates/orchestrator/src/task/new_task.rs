use jiff::Timestamp;
use serde_json::Value;

use crate::ids::{SessionId, TaskId};
use crate::json::check_json;
use crate::name::{check_name, check_text};
use crate::task::Priority;
use crate::vocabulary::vocabulary;
use crate::{Error, Result};

const MAX_DESCRIPTION_BYTES: usize = 100_000;
const MAX_DEPENDENCIES: usize = 1000;

vocabulary! {
    /// What becomes of a task whose prerequisite fails or is cancelled.
    OnFailure, "what a failed dependency does" {
        /// It goes on waiting: the prerequisite may be retried.
        Block = "block",
        /// It fails as well.
        Fail = "fail",
    }
}

/// A task that must be completed before another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The prerequisite.
    pub task_id: TaskId,
    /// What its failure does.
    pub on_failure: OnFailure,
}

/// A task to be made. What is left out is nobody's, of priority 5, and may be begun 3 times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewTask {
    /// The session that makes it.
    pub session_id: Option<SessionId>,
    /// The project [default: default].
    pub project: Option<String>,
    /// What kind of work it is [default: general].
    pub task_type: Option<String>,
    /// What is to be done; at most 100,000 bytes.
    pub description: String,
    /// How urgent it is.
    pub priority: Priority,
    /// Who may do it; anybody, when left out.
    pub role: Option<String>,
    /// On which platform; on any, when left out.
    pub platform: Option<String>,
    /// What must be completed before.
    pub depends_on: Vec<Dependency>,
    /// What one must know to do it.
    pub required_context: Option<Value>,
    /// What it works on.
    pub input: Option<Value>,
    /// Creating a task with a key that its project knows finds the one that is there.
    pub idempotency_key: Option<String>,
    /// Not to be begun before.
    pub run_after: Option<Timestamp>,
    /// Worthless after: what is not done by then fails.
    pub deadline: Option<Timestamp>,
    /// How often it may be begun, 1 to 100 [default: 3].
    pub max_attempts: Option<i32>,
    /// Anything else: a JSON object.
    pub metadata: Option<Value>,
}

impl NewTask {
    /// A task of which only this is known.
    pub fn new(description: impl Into<String>) -> Self {
        Self { description: description.into(), ..Self::default() }
    }

    /// This task, for `role`.
    #[must_use]
    pub fn for_role(self, role: impl Into<String>) -> Self {
        Self { role: Some(role.into()), ..self }
    }

    pub(crate) fn project(&self) -> &str {
        self.project.as_deref().unwrap_or("default")
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_text("the task's description", &self.description, MAX_DESCRIPTION_BYTES)?;
        let names = [
            ("the project", &self.project),
            ("the task's type", &self.task_type),
            ("the role", &self.role),
            ("the platform", &self.platform),
            ("the idempotency key", &self.idempotency_key),
        ];
        for (what, name) in names {
            if let Some(name) = name {
                check_name(what, name)?;
            }
        }
        for (what, value) in [
            ("the required context", &self.required_context),
            ("the task's input", &self.input),
            ("the task's metadata", &self.metadata),
        ] {
            if let Some(value) = value {
                check_json(what, value)?;
            }
        }
        if self.metadata.as_ref().is_some_and(|metadata| !metadata.is_object()) {
            return Err(Error::bad_input("the task's metadata", "it is not a JSON object"));
        }
        if let Some(attempts) = self.max_attempts
            && !(1..=100).contains(&attempts)
        {
            return Err(Error::bad_input("the attempts", format!("{attempts} is not between 1 and 100")));
        }
        if self.depends_on.len() > MAX_DEPENDENCIES {
            return Err(Error::bad_input(
                "the dependencies",
                format!("{} are more than {MAX_DEPENDENCIES}", self.depends_on.len()),
            ));
        }
        if let (Some(run_after), Some(deadline)) = (self.run_after, self.deadline)
            && run_after >= deadline
        {
            return Err(Error::bad_input(
                "the task's times",
                format!("it may begin at {run_after}, when its deadline {deadline} has passed"),
            ));
        }
        Ok(())
    }
}

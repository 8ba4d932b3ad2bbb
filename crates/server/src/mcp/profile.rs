use std::fmt;
use std::str::FromStr;

use super::tools::{ALL, Tool};

/// Which tools a connection has: each costs its agent tokens in every conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// What any agent needs: twelve tools.
    #[default]
    Default,
    /// Everything.
    Full,
    /// Remembering and recalling, without sessions or tasks.
    Memory,
    /// Planning: tasks are made and audited, not done.
    Planner,
    /// Doing tasks.
    Executor,
    /// Auditing what others did.
    Validator,
}

impl Profile {
    /// Every profile there is.
    pub const ALL: &[Self] =
        &[Self::Default, Self::Full, Self::Memory, Self::Planner, Self::Executor, Self::Validator];

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Full => "full",
            Self::Memory => "memory",
            Self::Planner => "planner",
            Self::Executor => "executor",
            Self::Validator => "validator",
        }
    }

    fn has(self, tool: &Tool) -> bool {
        let names: &[&str] = match self {
            Self::Default => return tool.is_usual,
            Self::Full => return true,
            Self::Memory => &["remember", "recall", "forget", "revise"],
            Self::Planner => &[
                "start_session",
                "get_context",
                "remember",
                "recall",
                "create_task",
                "list_tasks",
                "audit_task",
                "log_action",
                "history",
                "end_session",
                "cancel_task",
                "retry_task",
                "summary",
            ],
            Self::Executor => &[
                "start_session",
                "get_context",
                "remember",
                "recall",
                "claim_task",
                "update_task",
                "list_tasks",
                "log_action",
                "end_session",
            ],
            Self::Validator => &[
                "start_session",
                "get_context",
                "remember",
                "recall",
                "list_tasks",
                "audit_task",
                "log_action",
                "history",
                "end_session",
            ],
        };
        names.contains(&tool.name)
    }

    pub(super) fn tools(self) -> impl Iterator<Item = &'static Tool> {
        ALL.iter().filter(move |tool| self.has(tool))
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|profile| profile.as_str() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|profile| profile.as_str()).collect();
            format!("{name:?} is none of {}", known.join(", "))
        })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

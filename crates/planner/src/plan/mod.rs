//! A whole plan: read from a file, checked, and loaded in one transaction.

mod after;
mod graph;
mod load;
mod parse;
mod when;

use agent_turbo_orchestrator::Priority;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

pub use after::After;
pub use load::{LoadedPlan, LoadedTask};
pub use parse::{Format, MAX_PLAN_BYTES};

/// A plan: what it is for, and the tasks that lead there.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// A name that stays when the title changes.
    pub id: Option<String>,
    /// What it is called. A plan with an id or a title can be loaded again: what is there already is found.
    pub title: Option<String>,
    /// What it is to reach; every task's metadata keeps it.
    pub goal: Option<String>,
    /// The project of its tasks [default: the session's].
    pub project: Option<String>,
    /// What there is to do.
    pub tasks: Vec<PlannedTask>,
}

/// A task of a plan. What is left out is as in [`agent_turbo_orchestrator::NewTask`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedTask {
    /// What the plan calls it.
    pub key: String,
    /// What is to be done.
    pub description: String,
    /// What kind of work it is.
    #[serde(rename = "type")]
    pub task_type: Option<String>,
    /// Who may do it.
    pub role: Option<String>,
    /// On which platform.
    pub platform: Option<String>,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// What must be completed before.
    #[serde(default)]
    pub after: Vec<After>,
    /// What one must know to do it.
    pub context: Option<Value>,
    /// What it works on.
    pub input: Option<Value>,
    /// How often it may be begun.
    pub max_attempts: Option<i32>,
    /// Not to be begun before: a time, or a duration from now.
    #[serde(default, deserialize_with = "when::moment")]
    pub run_after: Option<Timestamp>,
    /// Worthless after: a time, or a duration from now.
    #[serde(default, deserialize_with = "when::moment")]
    pub deadline: Option<Timestamp>,
    /// By what a task that is there already is found [default: `plan:<id or title>:<key>`].
    pub idempotency_key: Option<String>,
    /// Anything else.
    pub metadata: Option<Map<String, Value>>,
}

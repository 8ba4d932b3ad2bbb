//! The audit trail: what was done, by whom, on what, and whether anybody changed the record since.
//!
//! The database keeps it append-only, chains it, and writes down each change of state by itself
//! (`migrations/V5__orchestration.sql`). A chain is a session's; an action without one belongs to its task's chain, and
//! without either to the chain of the empty name.

mod export;
mod link;
mod list;
mod log;
mod new_action;
mod purge;
mod verify;

use agent_turbo_db::{Result, Row, RowExt};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::ids::{ActionId, SessionId, TaskId};

pub use export::ActionFilter;
pub use list::ActionPage;
pub use log::MAX_ACTIONS;
pub use new_action::{MAX_JSON_BYTES, MAX_LIST_BYTES, MAX_TEXT_BYTES, NewAction};
pub use verify::{BrokenChain, ChainHead, ChainReport, Flaw, MAX_LISTED};

/// An action, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Action {
    /// What it is called.
    pub action_id: ActionId,
    /// The session that did it.
    pub session_id: Option<SessionId>,
    /// The task that it was done for.
    pub task_id: Option<TaskId>,
    /// The project it belongs to.
    pub project: String,
    /// What kind of action it is.
    pub action_type: String,
    /// What was done.
    pub action_description: Option<String>,
    /// What it worked on.
    pub input_data: Option<Value>,
    /// What came out of it.
    pub output_data: Option<Value>,
    /// Whether it worked.
    pub success: bool,
    /// What went wrong.
    pub error_message: Option<String>,
    /// How long it took, in milliseconds.
    pub execution_time_ms: Option<f64>,
    /// The files that it changed.
    pub changed_files: Vec<String>,
    /// The commands that it ran.
    pub commands_executed: Vec<String>,
    /// When it was written down.
    pub executed_at: Timestamp,
    /// Its place in its chain, from 1.
    pub chain_position: i64,
    /// Its link, which the next one is chained to: 64 hex digits.
    pub chain_hash: String,
}

/// The columns of [`Action`], of the row `a`.
macro_rules! action_columns {
    () => {
        "a.action_id, a.session_id, a.task_id, a.project, a.action_type, a.action_description, a.input_data,
         a.output_data, a.success, a.error_message, a.execution_time_ms, a.changed_files, a.commands_executed,
         a.executed_at, a.chain_position, encode(a.chain_hash, 'hex') AS chain_hash"
    };
}
pub(crate) use action_columns;

impl Action {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            action_id: ActionId::stored(row.column("action_id")?),
            session_id: row.column::<Option<String>>("session_id")?.map(SessionId::stored),
            task_id: row.column::<Option<String>>("task_id")?.map(TaskId::stored),
            project: row.column("project")?,
            action_type: row.column("action_type")?,
            action_description: row.column("action_description")?,
            input_data: row.column("input_data")?,
            output_data: row.column("output_data")?,
            success: row.column("success")?,
            error_message: row.column("error_message")?,
            execution_time_ms: row.column("execution_time_ms")?,
            changed_files: row.column("changed_files")?,
            commands_executed: row.column("commands_executed")?,
            executed_at: row.column("executed_at")?,
            chain_position: row.column("chain_position")?,
            chain_hash: row.column("chain_hash")?,
        })
    }
}

//! Tasks: made, claimed under a lease, finished, and looked after.
//!
//! The rules stand in the database (`migrations/V5__orchestration.sql`): the state machine, the leases, who depends on
//! whom and what is ready. What is here asks for changes and tells how they went.

mod cancel;
mod claim;
mod complete_many;
mod create;
mod finish;
mod get;
mod graph;
mod heartbeat;
mod housekeeping;
mod lease;
mod list;
mod new_task;
mod priority;
mod refusal;
mod release;
mod remove;
mod retry;
mod review;
mod state;
mod status;
mod wait;
mod why;

use agent_turbo_db::{Result, Row, RowExt};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::ids::{SessionId, TaskId};

pub use cancel::Cancelled;
pub use claim::{Claimant, ClaimedTask};
pub use complete_many::Completion;
pub use create::CreatedTask;
pub use finish::Failure;
pub use graph::{CreatedGraph, GraphTask, MAX_GRAPH, graph_order};
pub use heartbeat::{Heartbeat, Progress};
pub use housekeeping::LookedAfter;
pub use lease::{Lease, LeaseToken, MAX_LEASE};
pub use list::{TaskFilter, TaskPage};
pub use new_task::{Dependency, NewTask, OnFailure};
pub use priority::Priority;
pub use review::Verdict;
pub use status::TaskStatus;
pub use why::{Reason, Waiting, Why};

pub(crate) use wait::ReadyTasks;

/// A task, as it is stored. Its lease's token is known to its holder alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Task {
    /// What it is called.
    pub task_id: TaskId,
    /// The session that made it.
    pub session_id: Option<SessionId>,
    /// The project it belongs to.
    pub project: String,
    /// What kind of work it is.
    pub task_type: String,
    /// What is to be done.
    pub task_description: String,
    /// How urgent it is.
    pub task_priority: Priority,
    /// Who may do it; anybody, when empty.
    pub assigned_to_role: Option<String>,
    /// On which platform; on any, when empty.
    pub assigned_to_platform: Option<String>,
    /// The tasks that must be completed before.
    pub depends_on_tasks: Vec<TaskId>,
    /// How many of them are not.
    pub unmet_dependencies: i32,
    /// What one must know to do it.
    pub required_context: Option<Value>,
    /// What it works on.
    pub input_data: Option<Value>,
    /// What came out of it.
    pub output_data: Option<Value>,
    /// Where it stands.
    pub status: TaskStatus,
    /// Why it stands there, where somebody said so.
    pub status_reason: Option<String>,
    /// Whether it may be claimed right now.
    pub is_ready: bool,
    /// How far it is, in percent.
    pub progress_percentage: i32,
    /// What its worker is at.
    pub current_step: Option<String>,
    /// The session that holds it.
    pub lease_session_id: Option<SessionId>,
    /// Until when, unless it shows a sign of life.
    pub lease_expires_at: Option<Timestamp>,
    /// How often it was begun.
    pub attempts: i32,
    /// How often it may be begun.
    pub max_attempts: i32,
    /// Which go at it this is: retry and revision start the next.
    pub round: i32,
    /// What makes a repeated creation find this one.
    pub idempotency_key: Option<String>,
    /// Not to be begun before.
    pub run_after: Option<Timestamp>,
    /// Worthless after.
    pub deadline: Option<Timestamp>,
    /// What went wrong last.
    pub error_message: Option<String>,
    /// The session that did it.
    pub finished_by: Option<SessionId>,
    /// What an audit said of the result.
    pub review: Option<Verdict>,
    /// What it had to say.
    pub review_notes: Option<String>,
    /// The session that audited it.
    pub reviewed_by: Option<SessionId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed, heartbeats aside.
    pub updated_at: Timestamp,
    /// When it was last begun.
    pub started_at: Option<Timestamp>,
    /// When it came to its end.
    pub completed_at: Option<Timestamp>,
    /// Anything else.
    pub metadata: Value,
}

/// The columns of [`Task`], of the row `t`.
macro_rules! columns {
    () => {
        "t.task_id, t.session_id, t.project, t.task_type, t.task_description, t.task_priority, t.assigned_to_role,
         t.assigned_to_platform, t.depends_on_tasks, t.unmet_dependencies, t.required_context, t.input_data,
         t.output_data, t.status, t.status_reason, t.is_ready, t.progress_percentage, t.current_step,
         t.lease_session_id, t.lease_expires_at, t.attempts, t.max_attempts, t.round, t.idempotency_key, t.run_after,
         t.deadline, t.error_message, t.finished_by, t.review, t.review_notes, t.reviewed_by, t.created_at,
         t.updated_at, t.started_at, t.completed_at, t.metadata"
    };
}
pub(crate) use columns;

impl Task {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        let session = |column: &str| -> Result<Option<SessionId>> {
            Ok(row.column::<Option<String>>(column)?.map(SessionId::stored))
        };
        Ok(Self {
            task_id: TaskId::stored(row.column("task_id")?),
            session_id: session("session_id")?,
            project: row.column("project")?,
            task_type: row.column("task_type")?,
            task_description: row.column("task_description")?,
            task_priority: row.column("task_priority")?,
            assigned_to_role: row.column("assigned_to_role")?,
            assigned_to_platform: row.column("assigned_to_platform")?,
            depends_on_tasks: row
                .column::<Vec<String>>("depends_on_tasks")?
                .into_iter()
                .map(TaskId::stored)
                .collect(),
            unmet_dependencies: row.column("unmet_dependencies")?,
            required_context: row.column("required_context")?,
            input_data: row.column("input_data")?,
            output_data: row.column("output_data")?,
            status: row.column("status")?,
            status_reason: row.column("status_reason")?,
            is_ready: row.column("is_ready")?,
            progress_percentage: row.column("progress_percentage")?,
            current_step: row.column("current_step")?,
            lease_session_id: session("lease_session_id")?,
            lease_expires_at: row.column("lease_expires_at")?,
            attempts: row.column("attempts")?,
            max_attempts: row.column("max_attempts")?,
            round: row.column("round")?,
            idempotency_key: row.column("idempotency_key")?,
            run_after: row.column("run_after")?,
            deadline: row.column("deadline")?,
            error_message: row.column("error_message")?,
            finished_by: session("finished_by")?,
            review: row.column("review")?,
            review_notes: row.column("review_notes")?,
            reviewed_by: session("reviewed_by")?,
            created_at: row.column("created_at")?,
            updated_at: row.column("updated_at")?,
            started_at: row.column("started_at")?,
            completed_at: row.column("completed_at")?,
            metadata: row.column("metadata")?,
        })
    }
}

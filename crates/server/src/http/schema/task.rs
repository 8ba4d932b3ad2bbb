use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// Where a task stands.
#[derive(ToSchema)]
pub(in crate::http) enum TaskStatus {
    #[schema(rename = "pending")]
    Pending,
    #[schema(rename = "in_progress")]
    InProgress,
    #[schema(rename = "blocked")]
    Blocked,
    #[schema(rename = "completed")]
    Completed,
    #[schema(rename = "failed")]
    Failed,
    #[schema(rename = "cancelled")]
    Cancelled,
}

/// What an audit says of a result.
#[derive(ToSchema)]
pub(in crate::http) enum Verdict {
    #[schema(rename = "approved")]
    Approved,
    #[schema(rename = "rejected")]
    Rejected,
    #[schema(rename = "needs_revision")]
    NeedsRevision,
}

/// What becomes of a task whose prerequisite fails.
#[derive(ToSchema)]
pub(in crate::http) enum OnFailure {
    #[schema(rename = "block")]
    Block,
    #[schema(rename = "fail")]
    Fail,
}

/// A task.
#[derive(ToSchema)]
pub(in crate::http) struct Task {
    /// What it is called.
    task_id: String,
    /// The session that made it.
    #[schema(required = true)]
    session_id: Option<String>,
    /// The project it belongs to.
    project: String,
    /// What kind of work it is.
    task_type: String,
    /// What is to be done.
    task_description: String,
    /// How urgent it is: 10 comes first.
    #[schema(minimum = 1, maximum = 10)]
    task_priority: i32,
    /// Who may do it; anybody, when null.
    #[schema(required = true)]
    assigned_to_role: Option<String>,
    /// On which platform; on any, when null.
    #[schema(required = true)]
    assigned_to_platform: Option<String>,
    /// The tasks that must be completed before.
    depends_on_tasks: Vec<String>,
    /// How many of them are not.
    unmet_dependencies: i32,
    /// What one must know to do it.
    required_context: Value,
    /// What it works on.
    input_data: Value,
    /// What came out of it.
    output_data: Value,
    /// Where it stands.
    status: TaskStatus,
    /// Why it stands there.
    #[schema(required = true)]
    status_reason: Option<String>,
    /// Whether it may be claimed right now.
    is_ready: bool,
    /// How far it is, in percent.
    progress_percentage: i32,
    /// What its worker is at.
    #[schema(required = true)]
    current_step: Option<String>,
    /// The session that holds it.
    #[schema(required = true)]
    lease_session_id: Option<String>,
    /// Until when.
    #[schema(format = DateTime, required = true)]
    lease_expires_at: Option<String>,
    /// How often it was begun.
    attempts: i32,
    /// How often it may be begun.
    max_attempts: i32,
    /// Which go at it this is.
    round: i32,
    /// What makes a repeated creation find this one.
    #[schema(required = true)]
    idempotency_key: Option<String>,
    /// Not to be begun before.
    #[schema(format = DateTime, required = true)]
    run_after: Option<String>,
    /// Worthless after.
    #[schema(format = DateTime, required = true)]
    deadline: Option<String>,
    /// What went wrong last.
    #[schema(required = true)]
    error_message: Option<String>,
    /// The session that did it.
    #[schema(required = true)]
    finished_by: Option<String>,
    /// What an audit said of the result.
    #[schema(required = true)]
    review: Option<Verdict>,
    /// What it had to say.
    #[schema(required = true)]
    review_notes: Option<String>,
    /// The session that audited it.
    #[schema(required = true)]
    reviewed_by: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    updated_at: String,
    /// When it was last begun.
    #[schema(format = DateTime, required = true)]
    started_at: Option<String>,
    /// When it came to its end.
    #[schema(format = DateTime, required = true)]
    completed_at: Option<String>,
    /// Anything else.
    metadata: Value,
}

/// A task, and whether it is new.
#[derive(ToSchema)]
pub(in crate::http) struct CreatedTask {
    /// Whether this request made it.
    created: bool,
    /// What it is called.
    task_id: String,
    /// The session that made it.
    #[schema(required = true)]
    session_id: Option<String>,
    /// The project it belongs to.
    project: String,
    /// What kind of work it is.
    task_type: String,
    /// What is to be done.
    task_description: String,
    /// How urgent it is: 10 comes first.
    #[schema(minimum = 1, maximum = 10)]
    task_priority: i32,
    /// Who may do it; anybody, when null.
    #[schema(required = true)]
    assigned_to_role: Option<String>,
    /// On which platform; on any, when null.
    #[schema(required = true)]
    assigned_to_platform: Option<String>,
    /// The tasks that must be completed before.
    depends_on_tasks: Vec<String>,
    /// How many of them are not.
    unmet_dependencies: i32,
    /// What one must know to do it.
    required_context: Value,
    /// What it works on.
    input_data: Value,
    /// What came out of it.
    output_data: Value,
    /// Where it stands.
    status: TaskStatus,
    /// Why it stands there.
    #[schema(required = true)]
    status_reason: Option<String>,
    /// Whether it may be claimed right now.
    is_ready: bool,
    /// How far it is, in percent.
    progress_percentage: i32,
    /// What its worker is at.
    #[schema(required = true)]
    current_step: Option<String>,
    /// The session that holds it.
    #[schema(required = true)]
    lease_session_id: Option<String>,
    /// Until when.
    #[schema(format = DateTime, required = true)]
    lease_expires_at: Option<String>,
    /// How often it was begun.
    attempts: i32,
    /// How often it may be begun.
    max_attempts: i32,
    /// Which go at it this is.
    round: i32,
    /// What makes a repeated creation find this one.
    #[schema(required = true)]
    idempotency_key: Option<String>,
    /// Not to be begun before.
    #[schema(format = DateTime, required = true)]
    run_after: Option<String>,
    /// Worthless after.
    #[schema(format = DateTime, required = true)]
    deadline: Option<String>,
    /// What went wrong last.
    #[schema(required = true)]
    error_message: Option<String>,
    /// The session that did it.
    #[schema(required = true)]
    finished_by: Option<String>,
    /// What an audit said of the result.
    #[schema(required = true)]
    review: Option<Verdict>,
    /// What it had to say.
    #[schema(required = true)]
    review_notes: Option<String>,
    /// The session that audited it.
    #[schema(required = true)]
    reviewed_by: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    updated_at: String,
    /// When it was last begun.
    #[schema(format = DateTime, required = true)]
    started_at: Option<String>,
    /// When it came to its end.
    #[schema(format = DateTime, required = true)]
    completed_at: Option<String>,
    /// Anything else.
    metadata: Value,
}

/// A cancelled task.
#[derive(ToSchema)]
pub(in crate::http) struct CancelledTask {
    /// Whether somebody was at it.
    was_running: bool,
    /// What it is called.
    task_id: String,
    /// The session that made it.
    #[schema(required = true)]
    session_id: Option<String>,
    /// The project it belongs to.
    project: String,
    /// What kind of work it is.
    task_type: String,
    /// What is to be done.
    task_description: String,
    /// How urgent it is: 10 comes first.
    #[schema(minimum = 1, maximum = 10)]
    task_priority: i32,
    /// Who may do it; anybody, when null.
    #[schema(required = true)]
    assigned_to_role: Option<String>,
    /// On which platform; on any, when null.
    #[schema(required = true)]
    assigned_to_platform: Option<String>,
    /// The tasks that must be completed before.
    depends_on_tasks: Vec<String>,
    /// How many of them are not.
    unmet_dependencies: i32,
    /// What one must know to do it.
    required_context: Value,
    /// What it works on.
    input_data: Value,
    /// What came out of it.
    output_data: Value,
    /// Where it stands.
    status: TaskStatus,
    /// Why it stands there.
    #[schema(required = true)]
    status_reason: Option<String>,
    /// Whether it may be claimed right now.
    is_ready: bool,
    /// How far it is, in percent.
    progress_percentage: i32,
    /// What its worker is at.
    #[schema(required = true)]
    current_step: Option<String>,
    /// The session that holds it.
    #[schema(required = true)]
    lease_session_id: Option<String>,
    /// Until when.
    #[schema(format = DateTime, required = true)]
    lease_expires_at: Option<String>,
    /// How often it was begun.
    attempts: i32,
    /// How often it may be begun.
    max_attempts: i32,
    /// Which go at it this is.
    round: i32,
    /// What makes a repeated creation find this one.
    #[schema(required = true)]
    idempotency_key: Option<String>,
    /// Not to be begun before.
    #[schema(format = DateTime, required = true)]
    run_after: Option<String>,
    /// Worthless after.
    #[schema(format = DateTime, required = true)]
    deadline: Option<String>,
    /// What went wrong last.
    #[schema(required = true)]
    error_message: Option<String>,
    /// The session that did it.
    #[schema(required = true)]
    finished_by: Option<String>,
    /// What an audit said of the result.
    #[schema(required = true)]
    review: Option<Verdict>,
    /// What it had to say.
    #[schema(required = true)]
    review_notes: Option<String>,
    /// The session that audited it.
    #[schema(required = true)]
    reviewed_by: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    updated_at: String,
    /// When it was last begun.
    #[schema(format = DateTime, required = true)]
    started_at: Option<String>,
    /// When it came to its end.
    #[schema(format = DateTime, required = true)]
    completed_at: Option<String>,
    /// Anything else.
    metadata: Value,
}

/// The right to work on a task.
#[derive(ToSchema)]
pub(in crate::http) struct Lease {
    /// The task.
    task_id: String,
    /// What proves the right.
    #[schema(format = "uuid")]
    token: String,
    /// When it ends, unless a heartbeat comes before.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// A task and the right to work on it.
#[derive(ToSchema)]
pub(in crate::http) struct ClaimedTask {
    /// What proves the right.
    lease: Lease,
    /// The task.
    task: Task,
}

/// Tasks that are the caller's now; none, when none is ready.
#[derive(ToSchema)]
pub(in crate::http) struct ClaimedTasks {
    /// Best first.
    items: Vec<ClaimedTask>,
}

/// Some tasks, newest first.
#[derive(ToSchema)]
pub(in crate::http) struct TaskPage {
    /// The tasks.
    items: Vec<Task>,
    /// The cursor of the next page; null at the end.
    #[schema(required = true)]
    next: Option<String>,
}

/// What a graph became.
#[derive(ToSchema)]
pub(in crate::http) struct CreatedGraph {
    /// The ids, by key.
    tasks: BTreeMap<String, String>,
    /// How many of them this request made.
    created: u64,
}

/// Whether to go on.
#[derive(ToSchema)]
pub(in crate::http) enum HeartbeatAnswer {
    #[schema(rename = "alive")]
    Alive,
    #[schema(rename = "cancelled")]
    Cancelled,
}

/// What a heartbeat learns.
#[derive(ToSchema)]
pub(in crate::http) struct Heartbeat {
    /// Go on while it is `alive`.
    task: HeartbeatAnswer,
    /// When the lease ends now.
    #[schema(required = false, format = DateTime)]
    expires_at: String,
    /// Why it is no longer wanted.
    #[schema(required = false)]
    reason: Option<String>,
}

/// A prerequisite that is not completed.
#[derive(ToSchema)]
pub(in crate::http) struct WaitingFor {
    /// The prerequisite.
    task_id: String,
    /// Where it stands.
    status: TaskStatus,
    /// What its failure does.
    on_failure: OnFailure,
}

/// Why a task is not running: the one reason.
#[derive(ToSchema)]
pub(in crate::http) struct Why {
    /// The task.
    task: Task,
    /// `running`, `finished`, `blocked`, `waits_for_tasks`, `waits_for_time`, `in_line`, `nobody_to_do_it` or `next`.
    reason: String,
    /// It as a sentence, with the way out.
    explanation: String,
    /// Who is at it.
    #[schema(required = false)]
    held_by: Option<String>,
    /// When the lease ends, or it may begin.
    #[schema(format = DateTime, required = false)]
    until: Option<String>,
    /// How it ended.
    #[schema(required = false)]
    status: TaskStatus,
    /// When it ended.
    #[schema(format = DateTime, required = false)]
    at: Option<String>,
    /// Why, where somebody said so.
    #[schema(required = false)]
    because: Option<String>,
    /// The first prerequisites that are not completed.
    #[schema(required = false)]
    tasks: Vec<WaitingFor>,
    /// How many there are.
    #[schema(required = false)]
    count: i64,
    /// How many come before it.
    #[schema(required = false)]
    ahead: i64,
}

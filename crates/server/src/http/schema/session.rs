use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

use super::{Action, LandingContext, Task};

/// Where a session stands.
#[derive(ToSchema)]
pub(in crate::http) enum SessionStatus {
    #[schema(rename = "active")]
    Active,
    #[schema(rename = "idle")]
    Idle,
    #[schema(rename = "completed")]
    Completed,
    #[schema(rename = "failed")]
    Failed,
}

/// A session.
#[derive(ToSchema)]
pub(in crate::http) struct Session {
    /// What it is called.
    session_id: String,
    /// The platform of its agent.
    agent_platform: String,
    /// What its agent is there for.
    agent_role: String,
    /// The session that started it.
    #[schema(required = true)]
    parent_session_id: Option<String>,
    /// The project it belongs to.
    project: String,
    /// Where it stands.
    status: SessionStatus,
    /// When it was started.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last showed a sign of life.
    #[schema(format = DateTime)]
    last_active: String,
    /// When it ended.
    #[schema(format = DateTime, required = true)]
    completed_at: Option<String>,
    /// Tokens used so far.
    tokens_used: i64,
    /// Calls made so far.
    api_calls: i64,
    /// Anything else.
    metadata: Value,
}

/// A session that has begun, or goes on, with what its agent must know.
#[derive(ToSchema)]
pub(in crate::http) struct StartedSession {
    /// The session.
    session: Session,
    /// The landing context.
    context: LandingContext,
}

/// A session that is over.
#[derive(ToSchema)]
pub(in crate::http) struct EndedSession {
    /// The session.
    session: Session,
    /// Its tasks, which are back in the queue now.
    released_tasks: Vec<String>,
}

/// Some sessions, newest first.
#[derive(ToSchema)]
pub(in crate::http) struct SessionPage {
    /// The sessions.
    items: Vec<Session>,
    /// The cursor of the next page; null at the end.
    #[schema(required = true)]
    next: Option<String>,
}

/// What a session did.
#[derive(ToSchema)]
pub(in crate::http) struct SessionHistory {
    /// The session.
    session: Session,
    /// The first 1,000 tasks that it made, holds, or did something with, oldest first.
    tasks: Vec<Task>,
    /// A page of its actions, oldest first.
    actions: Vec<Action>,
    /// The cursor of the next page of actions; null at the end.
    #[schema(required = true)]
    next: Option<String>,
    /// The first 1,000 sessions that it started, oldest first.
    children: Vec<Session>,
}

/// Some tasks.
#[derive(ToSchema)]
pub(in crate::http) struct TaskTally {
    /// How many.
    count: i64,
    /// How many are completed.
    completed: i64,
    /// How many failed.
    failed: i64,
    /// How often they were begun.
    attempts: i64,
    /// How many of them the following tells of.
    timed: i64,
    /// What they took together.
    total_seconds: f64,
    /// What one of them took.
    #[schema(required = true)]
    mean_seconds: Option<f64>,
    /// What the longest of them took.
    #[schema(required = true)]
    max_seconds: Option<f64>,
}

/// Audits of results.
#[derive(ToSchema)]
pub(in crate::http) struct Reviews {
    /// Tasks whose result stands approved.
    approved: i64,
    /// Tasks whose result stands rejected.
    rejected: i64,
    /// How often a result was sent back.
    revisions: i64,
    /// Completed tasks that nobody has audited.
    to_audit: i64,
}

/// What a session came to, with those that it started.
#[derive(ToSchema)]
pub(in crate::http) struct SessionSummary {
    /// The session.
    session: Session,
    /// From its start to its end, or until now.
    seconds: f64,
    /// Sessions that are counted here.
    sessions: i64,
    /// Tokens that they used.
    tokens_used: i64,
    /// Calls that they made.
    api_calls: i64,
    /// Their actions in the audit trail.
    actions: i64,
    /// Those that failed.
    failed_actions: i64,
    /// The tasks that they made or began.
    tasks: TaskTally,
    /// How many of them are in each state.
    by_status: BTreeMap<String, i64>,
    /// The same by the role that they are for.
    by_role: BTreeMap<String, TaskTally>,
    /// What audits said of their results.
    reviews: Reviews,
}

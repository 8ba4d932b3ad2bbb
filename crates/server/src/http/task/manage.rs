use agent_turbo_orchestrator::{LeaseToken, SessionId, TaskId, Verdict};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::http::extract::{Body, Id, ok};
use crate::http::problem::{Problem, Problems};
use crate::http::schema;
use crate::http::state::State;

/// Why a task is taken out of the queue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Block {
    /// Why.
    reason: String,
    /// What proves that the task is held, if somebody is at it.
    #[schema(value_type = Option<String>, format = "uuid")]
    token: Option<LeaseToken>,
    /// The session that does it.
    #[schema(value_type = Option<String>)]
    session_id: Option<SessionId>,
}

/// Why something is done, and who does it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Because {
    /// Why.
    reason: Option<String>,
    /// The session that does it.
    #[schema(value_type = Option<String>)]
    session_id: Option<SessionId>,
}

/// Who does it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct By {
    /// The session that does it.
    #[schema(value_type = Option<String>)]
    session_id: Option<SessionId>,
}

/// An audit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Review {
    /// What it says of the result.
    #[schema(value_type = schema::Verdict)]
    verdict: Verdict,
    /// What it has to say; a revision says what is to be done differently.
    notes: Option<String>,
    /// The session that audits: not the one that approves its own work.
    #[schema(value_type = String)]
    session_id: SessionId,
}

/// Takes a task out of the queue until somebody unblocks it.
#[utoipa::path(
    post, path = "/tasks/{task_id}/block", tag = "tasks", request_body = Block,
    params(
        ("task_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "The task.", body = schema::Task))
)]
pub(in crate::http) async fn block(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<TaskId>,
    Body(block): Body<Block>,
) -> Result<Response, Problem> {
    shared.sees_task(&caller, &id).await?;
    shared.sees_session(&caller, block.session_id.as_ref()).await?;
    let by = block.session_id.as_ref();
    ok(&shared.app.orchestrator.block_task(&id, block.token, &block.reason, by).await?)
}

/// Puts a blocked task back into the queue.
#[utoipa::path(
    post, path = "/tasks/{task_id}/unblock", tag = "tasks", request_body = By,
    params(
        ("task_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "The task.", body = schema::Task))
)]
pub(in crate::http) async fn unblock(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<TaskId>,
    Body(by): Body<By>,
) -> Result<Response, Problem> {
    shared.sees_task(&caller, &id).await?;
    shared.sees_session(&caller, by.session_id.as_ref()).await?;
    ok(&shared.app.orchestrator.unblock_task(&id, by.session_id.as_ref()).await?)
}

/// The task is no longer wanted; whoever is at it learns of it at his next heartbeat.
#[utoipa::path(
    post, path = "/tasks/{task_id}/cancel", tag = "tasks", request_body = Because,
    params(
        ("task_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "The task.", body = schema::CancelledTask))
)]
pub(in crate::http) async fn cancel(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<TaskId>,
    Body(because): Body<Because>,
) -> Result<Response, Problem> {
    shared.sees_task(&caller, &id).await?;
    shared.sees_session(&caller, because.session_id.as_ref()).await?;
    let (reason, by) = (because.reason.as_deref(), because.session_id.as_ref());
    ok(&shared.app.orchestrator.cancel_task(&id, reason, by).await?)
}

/// Puts a failed or cancelled task back into the queue, for another round.
#[utoipa::path(
    post, path = "/tasks/{task_id}/retry", tag = "tasks", request_body = Because,
    params(
        ("task_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "The task.", body = schema::Task))
)]
pub(in crate::http) async fn retry(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<TaskId>,
    Body(because): Body<Because>,
) -> Result<Response, Problem> {
    shared.sees_task(&caller, &id).await?;
    shared.sees_session(&caller, because.session_id.as_ref()).await?;
    let (reason, by) = (because.reason.as_deref(), because.session_id.as_ref());
    ok(&shared.app.orchestrator.retry_task(&id, reason, by).await?)
}

/// Audits the result of a completed task.
#[utoipa::path(
    post, path = "/tasks/{task_id}/review", tag = "tasks", request_body = Review,
    params(
        ("task_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "The task.", body = schema::Task))
)]
pub(in crate::http) async fn review(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<TaskId>,
    Body(review): Body<Review>,
) -> Result<Response, Problem> {
    shared.sees_task(&caller, &id).await?;
    shared.sees_session(&caller, Some(&review.session_id)).await?;
    let (verdict, notes) = (review.verdict, review.notes.as_deref());
    ok(&shared.app.planner.audit_task_results(&id, verdict, notes, &review.session_id).await?)
}

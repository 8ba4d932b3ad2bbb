use std::time::Duration;

use agent_turbo_orchestrator::{Failure, LeaseToken, TaskId};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::fault::Fault;
use crate::http::extract::{Body, Id, ok};
use crate::http::problem::{Problem, Problems};
use crate::http::schema;
use crate::http::state::State;

/// A task that is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Done {
    /// What proves that the task is held.
    #[schema(value_type = String, format = "uuid")]
    token: LeaseToken,
    /// What came out of it.
    output: Option<Value>,
}

/// An attempt that failed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Failed {
    /// What proves that the task is held.
    #[schema(value_type = String, format = "uuid")]
    token: LeaseToken,
    /// What went wrong.
    error: String,
    /// Whether no other attempt will succeed.
    #[serde(default)]
    is_final: bool,
    /// When another attempt may be begun [default: after a pause that grows].
    #[schema(minimum = 0)]
    retry_after_seconds: Option<f64>,
}

/// A task that is given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Released {
    /// What proves that the task is held.
    #[schema(value_type = String, format = "uuid")]
    token: LeaseToken,
    /// Why.
    reason: Option<String>,
}

/// The task is done. A repetition with the same token is answered as the first time.
#[utoipa::path(
    post, path = "/tasks/{task_id}/complete", tag = "tasks", request_body = Done,
    params(
        ("task_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "The task.", body = schema::Task))
)]
pub(in crate::http) async fn complete(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<TaskId>,
    Body(done): Body<Done>,
) -> Result<Response, Problem> {
    shared.sees_task(&caller, &id).await?;
    ok(&shared.app.orchestrator.complete_task(&id, done.token, done.output).await?)
}

/// The attempt failed. While attempts are left the task is tried again, unless this is final.
#[utoipa::path(
    post, path = "/tasks/{task_id}/fail", tag = "tasks", request_body = Failed,
    params(
        ("task_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "The task.", body = schema::Task))
)]
pub(in crate::http) async fn fail(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<TaskId>,
    Body(failed): Body<Failed>,
) -> Result<Response, Problem> {
    shared.sees_task(&caller, &id).await?;
    let after = failed.retry_after_seconds.map(|seconds| {
        // Longer than anybody waits, and shorter than a time of the database can be.
        Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|after| after.as_secs() <= 366 * 86_400)
            .ok_or_else(|| Problem::from(Fault::bad_input("the pause", "it is not between 0 and a year")))
    });
    let failure =
        if failed.is_final { Failure::Final } else { Failure::Retryable { after: after.transpose()? } };
    ok(&shared.app.orchestrator.fail_task(&id, failed.token, &failed.error, failure).await?)
}

/// Gives a task back unharmed: it is ready at once, and the attempt does not count.
#[utoipa::path(
    post, path = "/tasks/{task_id}/release", tag = "tasks", request_body = Released,
    params(
        ("task_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "The task.", body = schema::Task))
)]
pub(in crate::http) async fn release(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<TaskId>,
    Body(released): Body<Released>,
) -> Result<Response, Problem> {
    shared.sees_task(&caller, &id).await?;
    ok(&shared.app.orchestrator.release_task(&id, released.token, released.reason.as_deref()).await?)
}

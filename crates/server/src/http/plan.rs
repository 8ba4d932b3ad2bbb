//! Whole plans.

use agent_turbo_orchestrator::SessionId;
use agent_turbo_planner::Plan;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::extract::{Body, Seed, json as answer, ok};
use super::problem::{Problem, Problems};
use super::schema;
use super::state::{Shared, State};
use crate::caller::Caller;

/// A plan to be loaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanToLoad {
    /// The session that its tasks will belong to.
    #[schema(value_type = String)]
    session_id: SessionId,
    /// The plan: `id`, `title`, `goal`, `project` and `tasks`, as `agent-turbo plan load --help` shows it.
    #[schema(value_type = Object)]
    plan: Plan,
}

/// A plan to be looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanToCheck {
    /// The plan.
    #[schema(value_type = Object)]
    plan: Plan,
}

/// Loads a plan: all of its tasks, or none. One with an id or a title can be loaded again, and makes only what is not there.
#[utoipa::path(
    post, path = "/plans", tag = "plans", request_body = PlanToLoad,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")),
    responses(Problems, (status = 201, description = "It is loaded.", body = schema::LoadedPlan))
)]
pub(super) async fn load(
    axum::extract::State(shared): State,
    caller: Caller,
    Seed(seed): Seed,
    Body(load): Body<PlanToLoad>,
) -> Result<Response, Problem> {
    let session = shared.session(&caller, &load.session_id).await?;
    let mut plan = load.plan;
    plan.project = Some(shared.project(&caller, plan.project.or(Some(session.project)))?);
    sees_tasks(&shared, &caller, &plan).await?;
    if plan.name().is_none()
        && let Some(seed) = seed
    {
        // Repeated, it finds its tasks.
        plan.id = Some(format!("request:{seed}"));
    }
    answer(StatusCode::CREATED, &shared.app.planner.load_plan(&load.session_id, &plan).await?)
}

/// Everything that loading would check. Writes nothing.
#[utoipa::path(
    post, path = "/plans/check", tag = "plans", request_body = PlanToCheck,
    responses(Problems, (status = 200, description = "It could be loaded.", body = schema::CheckedPlan))
)]
pub(super) async fn check(
    axum::extract::State(shared): State,
    caller: Caller,
    Body(check): Body<PlanToCheck>,
) -> Result<Response, Problem> {
    shared.project(&caller, check.plan.project.clone())?;
    sees_tasks(&shared, &caller, &check.plan).await?;
    let graph = shared.app.planner.check_plan(&check.plan).await?;
    let keys: Vec<_> = graph.into_iter().map(|node| node.key).collect();
    ok(&json!({ "keys": keys }))
}

/// Tasks outside the plan must exist for the caller.
async fn sees_tasks(shared: &Shared, caller: &Caller, plan: &Plan) -> Result<(), Problem> {
    if caller.sees_everything() {
        return Ok(());
    }
    let keys: std::collections::HashSet<&str> = plan.tasks.iter().map(|task| task.key.as_str()).collect();
    for after in plan.tasks.iter().flat_map(|task| &task.after) {
        if !keys.contains(after.task.as_str()) {
            shared.sees_task(caller, &after.task.parse()?).await?;
        }
    }
    Ok(())
}

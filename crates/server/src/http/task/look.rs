use agent_turbo_orchestrator::{Error, SessionId, TaskFilter, TaskId, TaskStatus};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::caller::Caller;
use crate::http::extract::{Id, Params, ok};
use crate::http::page::{Page, Range};
use crate::http::problem::{Problem, Problems};
use crate::http::schema;
use crate::http::state::State;

/// Which tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct WhichTasks {
    /// The project; the usual one, when left out, and all of them for `*`.
    project: Option<String>,
    /// In this state.
    #[param(value_type = Option<schema::TaskStatus>)]
    status: Option<TaskStatus>,
    /// For this role.
    role: Option<String>,
    /// For this platform.
    platform: Option<String>,
    /// Of this type.
    task_type: Option<String>,
    /// Made by this session.
    #[param(value_type = Option<String>)]
    session_id: Option<SessionId>,
    /// Held by this session.
    #[param(value_type = Option<String>)]
    held_by: Option<SessionId>,
    /// That may be claimed right now.
    #[serde(default)]
    ready: bool,
    /// Whose result this session may audit.
    #[param(value_type = Option<String>)]
    to_audit_by: Option<SessionId>,
    /// Tasks at the most [default: 100].
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Tasks, newest first.
#[utoipa::path(
    get, path = "/tasks", tag = "tasks", params(WhichTasks),
    responses(Problems, (status = 200, description = "A page.", body = schema::TaskPage))
)]
pub(in crate::http) async fn list(
    axum::extract::State(shared): State,
    caller: Caller,
    Params(which): Params<WhichTasks>,
) -> Result<Response, Problem> {
    let range = Range::new(which.limit, which.cursor.as_deref())?;
    let filter = TaskFilter {
        project: shared.project_or_all(&caller, which.project)?,
        status: which.status,
        role: which.role,
        platform: which.platform,
        task_type: which.task_type,
        session: which.session_id,
        held_by: which.held_by,
        ready: which.ready,
        to_audit_by: which.to_audit_by,
    };
    let page = shared.app.orchestrator.list_tasks(&filter, range.limit, range.before).await?;
    ok(&Page::new(page.tasks, page.next))
}

/// One task.
#[utoipa::path(
    get, path = "/tasks/{task_id}", tag = "tasks", params(("task_id" = String, Path)),
    responses(Problems, (status = 200, description = "The task.", body = schema::Task))
)]
pub(in crate::http) async fn get(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<TaskId>,
) -> Result<Response, Problem> {
    let found = shared.app.orchestrator.get_task(&id).await?;
    let found = found.filter(|task| caller.sees(&task.project));
    ok(&found.ok_or_else(|| Problem::from(Error::UnknownTask(id)))?)
}

/// The one reason why a task is not running.
#[utoipa::path(
    get, path = "/tasks/{task_id}/why", tag = "tasks", params(("task_id" = String, Path)),
    responses(Problems, (status = 200, description = "The reason.", body = schema::Why))
)]
pub(in crate::http) async fn why(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<TaskId>,
) -> Result<Response, Problem> {
    shared.sees_task(&caller, &id).await?;
    let why = shared.app.orchestrator.why(&id).await?;
    let mut value = serde_json::to_value(&why).map_err(|_| Problem::internal())?;
    value["explanation"] = why.explain().into();
    ok(&value)
}

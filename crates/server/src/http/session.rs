//! Who is at work.

use agent_turbo_orchestrator::{
    ContextScope, HistoryFilter, NewSession, SessionFilter, SessionId, SessionStatus, StartedSession, TaskId,
    Usage,
};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::cursor;
use super::extract::{Body, Id, Params, Seed, json, ok};
use super::page::{Page, Range};
use super::problem::{Problem, Problems};
use super::schema;
use super::state::State;
use crate::caller::Caller;
use crate::fault::Fault;

/// A session to be started.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    /// The platform of its agent, of any name.
    platform: String,
    /// What its agent is there for, in any word; the token's role, when left out.
    role: Option<String>,
    /// The session that starts it.
    #[schema(value_type = Option<String>)]
    parent_session_id: Option<SessionId>,
    /// The project it belongs to; the usual one, when left out.
    project: Option<String>,
    /// Anything else.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The project; the usual one, when left out, and all of them for `*`.
    project: Option<String>,
    /// On this platform.
    platform: Option<String>,
    /// In this role.
    role: Option<String>,
    /// In this state.
    #[param(value_type = Option<schema::SessionStatus>)]
    status: Option<SessionStatus>,
    /// Started by this session.
    #[param(value_type = Option<String>)]
    parent: Option<SessionId>,
    /// Started then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Started before.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Sessions at the most [default: 100].
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A sign of life.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Touch {
    /// Tokens used since the last one.
    #[serde(default)]
    tokens_used: u32,
    /// Calls made since the last one.
    #[serde(default)]
    api_calls: u32,
}

/// How a session ends.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// Why it went wrong; without, it ends well.
    failed_because: Option<String>,
}

/// Which part of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Actions of then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Actions before.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Actions of this type.
    action_type: Option<String>,
    /// This task, and actions on it.
    #[param(value_type = Option<String>)]
    task_id: Option<TaskId>,
    /// Actions at the most [default: 100].
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// For whom.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Scope {
    /// The project; the usual one, when left out.
    project: Option<String>,
    /// The role; any, when left out.
    role: Option<String>,
    /// The platform; any, when left out.
    platform: Option<String>,
}

/// A session and its landing context, as they are sent: the context is JSON already.
#[derive(Serialize)]
struct Started<'a> {
    session: &'a agent_turbo_orchestrator::Session,
    context: &'a RawValue,
}

fn started(status: StatusCode, started: &StartedSession) -> Result<Response, Problem> {
    let context: &RawValue = serde_json::from_str(started.context.json()).map_err(|_| Problem::internal())?;
    json(status, &Started { session: &started.session, context })
}

/// Starts a session, with what its agent must know.
#[utoipa::path(
    post, path = "/sessions", tag = "sessions", request_body = Start,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")),
    responses(Problems, (status = 201, description = "It has begun.", body = schema::StartedSession))
)]
pub(super) async fn start(
    axum::extract::State(shared): State,
    caller: Caller,
    Seed(seed): Seed,
    Body(start): Body<Start>,
) -> Result<Response, Problem> {
    shared.sees_session(&caller, start.parent_session_id.as_ref()).await?;
    let role = caller
        .role(start.role)?
        .ok_or_else(|| Problem::from(Fault::bad_input("the role", "none is named")))?;
    let new = NewSession {
        platform: start.platform,
        role,
        parent: start.parent_session_id,
        project: shared.project(&caller, start.project)?,
        metadata: start.metadata,
    };
    let orchestrator = &shared.app.orchestrator;
    let begun = match seed {
        Some(seed) => orchestrator.initialize_agent_session_once(new, seed).await?,
        None => orchestrator.initialize_agent_session(new).await?,
    };
    started(StatusCode::CREATED, &begun)
}

/// Sessions, newest first.
#[utoipa::path(
    get, path = "/sessions", tag = "sessions", params(Which),
    responses(Problems, (status = 200, description = "A page.", body = schema::SessionPage))
)]
pub(super) async fn list(
    axum::extract::State(shared): State,
    caller: Caller,
    Params(which): Params<Which>,
) -> Result<Response, Problem> {
    let range = Range::new(which.limit, which.cursor.as_deref())?;
    let filter = SessionFilter {
        platform: which.platform,
        role: which.role,
        status: which.status,
        project: shared.project_or_all(&caller, which.project)?,
        parent: which.parent,
        since: which.since,
        until: which.until,
    };
    let page = shared.app.orchestrator.list_sessions(&filter, range.limit, range.before).await?;
    ok(&Page::new(page.sessions, page.next))
}

/// One session.
#[utoipa::path(
    get, path = "/sessions/{session_id}", tag = "sessions", params(("session_id" = String, Path)),
    responses(Problems, (status = 200, description = "The session.", body = schema::Session))
)]
pub(super) async fn get(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<SessionId>,
) -> Result<Response, Problem> {
    ok(&shared.session(&caller, &id).await?)
}

/// A sign of life, with what was used since the last one.
#[utoipa::path(
    post, path = "/sessions/{session_id}/touch", tag = "sessions", request_body = Touch,
    params(
        ("session_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "The session.", body = schema::Session))
)]
pub(super) async fn touch(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<SessionId>,
    Body(touch): Body<Touch>,
) -> Result<Response, Problem> {
    shared.sees_session(&caller, Some(&id)).await?;
    let usage = Usage { tokens_used: touch.tokens_used, api_calls: touch.api_calls };
    ok(&shared.app.orchestrator.touch_session(&id, usage).await?)
}

/// Ends a session; the tasks that it holds go back to the queue.
#[utoipa::path(
    post, path = "/sessions/{session_id}/end", tag = "sessions", request_body = End,
    params(
        ("session_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "It is over.", body = schema::EndedSession))
)]
pub(super) async fn end(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<SessionId>,
    Body(end): Body<End>,
) -> Result<Response, Problem> {
    shared.sees_session(&caller, Some(&id)).await?;
    let orchestrator = &shared.app.orchestrator;
    ok(&match end.failed_because {
        Some(reason) => orchestrator.fail_session(&id, &reason).await?,
        None => orchestrator.complete_session(&id).await?,
    })
}

/// Goes on with a session, whatever its state, under a fresh landing context.
#[utoipa::path(
    post, path = "/sessions/{session_id}/resume", tag = "sessions",
    params(
        ("session_id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "It goes on.", body = schema::StartedSession))
)]
pub(super) async fn resume(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<SessionId>,
) -> Result<Response, Problem> {
    shared.sees_session(&caller, Some(&id)).await?;
    started(StatusCode::OK, &shared.app.orchestrator.resume_session(&id).await?)
}

/// What a session did: its tasks, its children, and a page of its actions.
#[utoipa::path(
    get, path = "/sessions/{session_id}/history", tag = "sessions", params(("session_id" = String, Path), Part),
    responses(Problems, (status = 200, description = "What it did.", body = schema::SessionHistory))
)]
pub(super) async fn history(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<SessionId>,
    Params(part): Params<Part>,
) -> Result<Response, Problem> {
    shared.sees_session(&caller, Some(&id)).await?;
    let range = Range::new(part.limit, part.cursor.as_deref())?;
    let filter = HistoryFilter {
        since: part.since,
        until: part.until,
        action_type: part.action_type,
        task: part.task_id,
    };
    let orchestrator = &shared.app.orchestrator;
    let mut history = orchestrator.get_session_history(&id, &filter, range.limit, range.before).await?;
    history.tasks.retain(|task| caller.sees(&task.project));
    history.children.retain(|child| caller.sees(&child.project));
    let next = cursor::encode(history.next);
    let mut value = serde_json::to_value(&history).map_err(|_| Problem::internal())?;
    value["next"] = next.into();
    ok(&value)
}

/// What a session and those that it started came to.
#[utoipa::path(
    get, path = "/sessions/{session_id}/summary", tag = "sessions", params(("session_id" = String, Path)),
    responses(Problems, (status = 200, description = "Sums.", body = schema::SessionSummary))
)]
pub(super) async fn summary(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<SessionId>,
) -> Result<Response, Problem> {
    shared.sees_session(&caller, Some(&id)).await?;
    ok(&shared.app.planner.session_summary(&id).await?)
}

/// The landing context that a session was given when it last began.
#[utoipa::path(
    get, path = "/sessions/{session_id}/context", tag = "sessions", params(("session_id" = String, Path)),
    responses(Problems, (status = 200, description = "The context.", body = schema::StoredContext))
)]
pub(super) async fn stored_context(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<SessionId>,
) -> Result<Response, Problem> {
    shared.session(&caller, &id).await?;
    let context = shared.app.orchestrator.session_landing_context(&id).await?;
    ok(&serde_json::json!({ "landing_context": context }))
}

/// What an agent should know now.
#[utoipa::path(
    get, path = "/context", tag = "sessions", params(Scope),
    responses(Problems, (status = 200, description = "The landing context.", body = schema::LandingContext))
)]
pub(super) async fn context(
    axum::extract::State(shared): State,
    caller: Caller,
    Params(scope): Params<Scope>,
) -> Result<Response, Problem> {
    let scope = ContextScope {
        project: shared.project(&caller, scope.project)?,
        role: scope.role,
        platform: scope.platform,
    };
    let context = shared.app.orchestrator.get_cached_landing_context(&scope).await?;
    let context: &RawValue = serde_json::from_str(context.json()).map_err(|_| Problem::internal())?;
    ok(&context)
}

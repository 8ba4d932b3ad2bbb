//! The audit trail.

use std::time::Duration;

use agent_turbo_orchestrator::{ActionFilter, ActionId, NewAction, SessionId, TaskId};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Body, Id, Params, Seed, json as answer, ok};
use super::page::{Page, Range};
use super::problem::{Problem, Problems};
use super::schema;
use super::state::{Shared, State};
use crate::caller::Caller;
use crate::fault::Fault;

/// Actions of one request.
const MAX_ACTIONS: usize = agent_turbo_orchestrator::MAX_ACTIONS;

/// Something that was done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DoneAction {
    /// What it will be called. Chosen by the caller, a repetition is written down once.
    #[schema(value_type = Option<String>)]
    action_id: Option<ActionId>,
    /// The session that did it.
    #[schema(value_type = Option<String>)]
    session_id: Option<SessionId>,
    /// The task that it was done for.
    #[schema(value_type = Option<String>)]
    task_id: Option<TaskId>,
    /// The project; that of its session, else the usual one, when left out.
    project: Option<String>,
    /// What kind of action it is, in any word.
    action_type: String,
    /// What was done.
    description: Option<String>,
    /// What it worked on.
    input: Option<Value>,
    /// What came out of it.
    output: Option<Value>,
    /// Whether it worked [default: true].
    success: Option<bool>,
    /// What went wrong.
    error: Option<String>,
    /// How long it took, in milliseconds.
    #[schema(minimum = 0)]
    execution_time_ms: Option<f64>,
    /// The files that it changed.
    #[serde(default)]
    changed_files: Vec<String>,
    /// The commands that it ran.
    #[serde(default)]
    commands: Vec<String>,
}

/// Things that were done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DoneActions {
    /// Up to 1,000 actions: all or none are written down.
    #[schema(max_items = 1000)]
    actions: Vec<DoneAction>,
}

/// Which actions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The project; the usual one, when left out, and all of them for `*`.
    project: Option<String>,
    /// Of this session.
    #[param(value_type = Option<String>)]
    session_id: Option<SessionId>,
    /// On this task.
    #[param(value_type = Option<String>)]
    task_id: Option<TaskId>,
    /// Of this type.
    action_type: Option<String>,
    /// Of then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Before.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Actions at the most [default: 100].
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Which chain.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Chain {
    /// The session whose chain is checked; all chains, when left out.
    #[param(value_type = Option<String>)]
    session_id: Option<SessionId>,
}

impl DoneAction {
    /// `seed` and place make its id, where the caller chose none.
    async fn new_action(
        self,
        shared: &Shared,
        caller: &Caller,
        seed: Option<Uuid>,
        place: usize,
    ) -> Result<NewAction, Problem> {
        shared.sees_session(caller, self.session_id.as_ref()).await?;
        if let Some(task) = &self.task_id {
            shared.sees_task(caller, task).await?;
        }
        // A session's project is the database's to find.
        let project = match (self.project, &self.session_id) {
            (None, Some(_)) => None,
            (named, _) => Some(shared.project(caller, named)?),
        };
        let duration = self.execution_time_ms.map(|ms| {
            Duration::try_from_secs_f64(ms / 1e3)
                .map_err(|error| Fault::bad_input("the execution time", error))
        });
        let derived =
            seed.map(|seed| format!("action_{:032x}", seed.as_u128().wrapping_add(place as u128)).parse());
        Ok(NewAction {
            action_id: match self.action_id {
                Some(id) => Some(id),
                None => derived.transpose()?,
            },
            session_id: self.session_id,
            task_id: self.task_id,
            project,
            action_type: self.action_type,
            description: self.description,
            input: self.input,
            output: self.output,
            success: self.success.unwrap_or(true),
            error: self.error,
            duration: duration.transpose()?,
            changed_files: self.changed_files,
            commands: self.commands,
        })
    }
}

/// Writes an action down at the end of its session's trail.
#[utoipa::path(
    post, path = "/actions", tag = "actions", request_body = DoneAction,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")),
    responses(Problems, (status = 201, description = "It is written down.", body = schema::LoggedActions))
)]
pub(super) async fn log(
    axum::extract::State(shared): State,
    caller: Caller,
    Seed(seed): Seed,
    Body(done): Body<DoneAction>,
) -> Result<Response, Problem> {
    let action = done.new_action(&shared, &caller, seed, 0).await?;
    let id = shared.app.orchestrator.log_agent_action(action).await?;
    answer(StatusCode::CREATED, &json!({ "action_ids": [id] }))
}

/// Writes many actions down, all or none.
#[utoipa::path(
    post, path = "/actions/batch", tag = "actions", request_body = DoneActions,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")),
    responses(Problems, (status = 201, description = "They are written down.", body = schema::LoggedActions))
)]
pub(super) async fn log_batch(
    axum::extract::State(shared): State,
    caller: Caller,
    Seed(seed): Seed,
    Body(done): Body<DoneActions>,
) -> Result<Response, Problem> {
    if done.actions.len() > MAX_ACTIONS {
        let why = format!("{} are more than {MAX_ACTIONS}", done.actions.len());
        return Err(Fault::bad_input("the actions", why).into());
    }
    let mut actions = Vec::with_capacity(done.actions.len());
    for (place, action) in done.actions.into_iter().enumerate() {
        actions.push(action.new_action(&shared, &caller, seed, place).await?);
    }
    let ids = shared.app.orchestrator.log_agent_actions(actions).await?;
    answer(StatusCode::CREATED, &json!({ "action_ids": ids }))
}

/// Actions, newest first.
#[utoipa::path(
    get, path = "/actions", tag = "actions", params(Which),
    responses(Problems, (status = 200, description = "A page.", body = schema::ActionPage))
)]
pub(super) async fn list(
    axum::extract::State(shared): State,
    caller: Caller,
    Params(which): Params<Which>,
) -> Result<Response, Problem> {
    let range = Range::new(which.limit, which.cursor.as_deref())?;
    let filter = ActionFilter {
        session: which.session_id,
        task: which.task_id,
        project: shared.project_or_all(&caller, which.project)?,
        action_type: which.action_type,
        since: which.since,
        until: which.until,
    };
    let page = shared.app.orchestrator.list_actions(&filter, range.limit, range.before).await?;
    ok(&Page::new(page.actions, page.next))
}

/// One action.
#[utoipa::path(
    get, path = "/actions/{action_id}", tag = "actions", params(("action_id" = String, Path)),
    responses(Problems, (status = 200, description = "The action.", body = schema::Action))
)]
pub(super) async fn get(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<ActionId>,
) -> Result<Response, Problem> {
    let found = shared.app.orchestrator.get_action(&id).await?;
    let found = found.filter(|action| caller.sees(&action.project));
    ok(&found.ok_or_else(|| Problem::not_found(format!("failed to find the action {id}")))?)
}

/// Whether the trail is what was written. Without a session it reads everything, for which a token for all projects is
/// needed.
#[utoipa::path(
    get, path = "/actions/verify", tag = "actions", params(Chain),
    responses(Problems, (status = 200, description = "What was found.", body = schema::ChainReport))
)]
pub(super) async fn verify(
    axum::extract::State(shared): State,
    caller: Caller,
    Params(chain): Params<Chain>,
) -> Result<Response, Problem> {
    match &chain.session_id {
        Some(session) => drop(shared.session(&caller, session).await?),
        None => caller.shared()?,
    }
    let chain = chain.session_id.as_ref().map(SessionId::as_str);
    ok(&shared.app.orchestrator.verify_chain(chain).await?)
}

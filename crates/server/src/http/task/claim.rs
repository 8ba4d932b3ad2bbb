use std::time::Duration;

use agent_turbo_orchestrator::{
    Claimant, ClaimedTask, Error, LeaseToken, MAX_LEASE, Orchestrator, Progress, SessionId, TaskId,
};
use axum::response::Response;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::caller::Caller;
use crate::fault::Fault;
use crate::http::extract::{Body, Id, Seed, ok};
use crate::http::page::Items;
use crate::http::problem::{Problem, Problems};
use crate::http::schema;
use crate::http::state::{Shared, State};

/// How long a task is held, when nobody says.
const LEASE_SECONDS: f64 = 300.0;
/// How long may be waited for a task: less than the time that a request has.
const MAX_WAIT_SECONDS: u64 = 50;
/// A server that stops is noticed so soon.
const SLICE: Duration = Duration::from_secs(1);
/// How often a request that carries a key looks.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Who wants to work.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Claim {
    /// The session that will hold what is claimed: its project, role and platform count.
    #[schema(value_type = Option<String>)]
    session_id: Option<SessionId>,
    /// The project, without a session; the usual one, when left out.
    project: Option<String>,
    /// The role, without a session; the token's role, when left out.
    role: Option<String>,
    /// The platform, without a session.
    platform: Option<String>,
    /// How many tasks at the most [default: 1].
    #[schema(minimum = 1, maximum = 1000)]
    count: Option<usize>,
    /// For how long they are held without a sign of life [default: 300].
    #[schema(exclusive_minimum = 0, maximum = 86400)]
    lease_seconds: Option<f64>,
    /// How long is waited for one, when none is ready; then `count` is 1 [default: 0].
    #[schema(maximum = 50)]
    wait_seconds: Option<u64>,
}

/// A sign of life.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Beat {
    /// What proves that the task is held.
    #[schema(value_type = String, format = "uuid")]
    token: LeaseToken,
    /// For how long it is held from now on [default: 300].
    #[schema(exclusive_minimum = 0, maximum = 86400)]
    lease_seconds: Option<f64>,
    /// How far it is, in percent.
    #[schema(minimum = 0, maximum = 100)]
    progress: Option<i32>,
    /// What its worker is at.
    current_step: Option<String>,
}

/// How long a lease is.
fn lease(seconds: Option<f64>) -> Result<Duration, Problem> {
    Duration::try_from_secs_f64(seconds.unwrap_or(LEASE_SECONDS)).map_err(|_| {
        let why = format!("it is not between a moment and {} hours", MAX_LEASE.as_secs() / 3600);
        Fault::bad_input("the lease", why).into()
    })
}

impl Claim {
    async fn claimant(&self, shared: &Shared, caller: &Caller) -> Result<Claimant, Problem> {
        if let Some(session) = &self.session_id {
            if self.project.is_some() || self.role.is_some() || self.platform.is_some() {
                let why = "a session has a project, a role and a platform already";
                return Err(Fault::bad_input("the claim", why).into());
            }
            let claimant = shared.app.orchestrator.claimant(session).await?;
            if !caller.sees(&claimant.project) {
                return Err(Error::UnknownSession(session.clone()).into());
            }
            caller.role(Some(claimant.role.clone()))?;
            return Ok(claimant);
        }
        let role = caller.role(self.role.clone())?.ok_or_else(|| {
            Problem::from(Fault::bad_input("the claim", "it has neither a session nor a role"))
        })?;
        Ok(Claimant {
            session_id: None,
            project: shared.project(caller, self.project.clone())?,
            role,
            platform: self.platform.clone(),
        })
    }
}

/// Claims the best ready tasks: most urgent first, then oldest.
#[utoipa::path(
    post, path = "/tasks/claim", tag = "tasks", request_body = Claim,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")),
    responses(Problems, (status = 200, description = "What is the caller's now; none, when none is ready.", body = schema::ClaimedTasks))
)]
pub(in crate::http) async fn claim(
    axum::extract::State(shared): State,
    caller: Caller,
    Seed(seed): Seed,
    Body(claim): Body<Claim>,
) -> Result<Response, Problem> {
    let claimant = claim.claimant(&shared, &caller).await?;
    let lease = lease(claim.lease_seconds)?;
    let (count, wait) = (claim.count.unwrap_or(1), claim.wait_seconds.unwrap_or(0));
    if wait > MAX_WAIT_SECONDS || (wait > 0 && count != 1) {
        let why = format!("one task at a time is waited for, and for {MAX_WAIT_SECONDS} s at the most");
        return Err(Fault::bad_input("the claim", why).into());
    }
    let orchestrator = &shared.app.orchestrator;
    let end = Instant::now() + Duration::from_secs(wait);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let items = once(orchestrator, &claimant, count, lease, seed, left.min(SLICE)).await?;
        if !items.is_empty() || left.is_zero() || shared.config.stopping.is_cancelled() {
            return ok(&Items { items });
        }
    }
}

/// One look, or a short wait. Under the seed as its token, a claim that is repeated finds what it has claimed.
async fn once(
    orchestrator: &Orchestrator,
    claimant: &Claimant,
    count: usize,
    lease: Duration,
    seed: Option<Uuid>,
    wait: Duration,
) -> Result<Vec<ClaimedTask>, Problem> {
    if let Some(seed) = seed {
        let token: LeaseToken = seed.to_string().parse()?;
        let claimed = orchestrator.claim_tasks_as(claimant, count, lease, token).await?;
        if claimed.is_empty() {
            tokio::time::sleep(wait.min(LOOK_AGAIN)).await;
        }
        return Ok(claimed);
    }
    if wait.is_zero() {
        return Ok(orchestrator.claim_tasks(claimant, count, lease).await?);
    }
    Ok(orchestrator.wait_for_task(claimant, lease, wait).await?.into_iter().collect())
}

/// Says that the worker lives, and learns whether the task is still wanted.
#[utoipa::path(
    post, path = "/tasks/{task_id}/heartbeat", tag = "tasks", request_body = Beat,
    params(("task_id" = String, Path)),
    responses(Problems, (status = 200, description = "Whether to go on.", body = schema::Heartbeat))
)]
pub(in crate::http) async fn heartbeat(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(id): Id<TaskId>,
    Body(beat): Body<Beat>,
) -> Result<Response, Problem> {
    shared.sees_task(&caller, &id).await?;
    let progress = Progress { percentage: beat.progress, current_step: beat.current_step };
    let lease = lease(beat.lease_seconds)?;
    ok(&shared.app.orchestrator.heartbeat_task(&id, beat.token, lease, progress).await?)
}

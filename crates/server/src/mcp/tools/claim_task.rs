use std::time::Duration;

use agent_turbo_orchestrator::{Claimant, ClaimedTask};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::told::{outputs, part};
use super::{ADDS, Effect};
use crate::fault::{Fault, Kind};
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Take the most urgent task that is ready for your role. It is yours under a lease: show \
                                signs of life with update_task.";
pub(super) const EFFECT: Effect = ADDS;

const MAX_WAIT: Duration = Duration::from_mins(5);
const LEASE_MINUTES: u64 = 15;
/// After so long it is looked whether the client still waits.
const LOOK_UP: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// Default your session's.
    role: Option<String>,
    /// Wait for one, up to 300.
    wait_seconds: Option<u64>,
    /// Default 15.
    lease_minutes: Option<u64>,
    session_id: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let session = call.session(args.session_id.as_deref()).await?;
    let mut claimant = call.app().orchestrator.claimant(&session).await?;
    if let Some(role) = call.role(args.role)? {
        claimant.role = role;
    }
    let wait = Duration::from_secs(args.wait_seconds.unwrap_or_default());
    if wait > MAX_WAIT {
        return Err(Fault::new(
            Kind::BadInput,
            format!("wait so long: {} s is the longest", MAX_WAIT.as_secs()),
        ));
    }
    let minutes = args.lease_minutes.unwrap_or(LEASE_MINUTES);
    let lease = Duration::from_secs(minutes.saturating_mul(60));
    match claim(call, &claimant, lease, wait).await? {
        Some(claimed) => tell(call, claimed).await,
        None => Ok(Reply::new(
            format!(
                "No task is ready for role {} in project {}. Wait with wait_seconds, or see list_tasks with why.",
                claimant.role, claimant.project
            ),
            json!({ "claimed": false }),
        )),
    }
}

async fn claim(
    call: &Call,
    claimant: &Claimant,
    lease: Duration,
    wait: Duration,
) -> Result<Option<ClaimedTask>, Fault> {
    let orchestrator = &call.app().orchestrator;
    if wait.is_zero() {
        return Ok(orchestrator.claim_task(claimant, lease).await?);
    }
    let end = Instant::now() + wait;
    // In slices, as a claim that is under way must not be dropped: its task would be held by nobody who knows.
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let claimed = orchestrator.wait_for_task(claimant, lease, left.min(LOOK_UP)).await?;
        match claimed {
            Some(claimed) if call.cancelled.is_cancelled() => {
                let why = "the agent no longer waited";
                orchestrator.release_task(&claimed.task.task_id, claimed.lease.token, Some(why)).await?;
                return Ok(None);
            }
            Some(claimed) => return Ok(Some(claimed)),
            None if left <= LOOK_UP || call.cancelled.is_cancelled() => return Ok(None),
            None => {}
        }
    }
}

async fn tell(call: &Call, ClaimedTask { lease, task }: ClaimedTask) -> Result<Reply, Fault> {
    let before = outputs(call, &task.depends_on_tasks).await?;
    if call.has_connection() {
        call.connection.keep_lease(task.task_id.clone(), lease.token);
    }
    let mut text = format!(
        "Task {} is yours until {} (attempt {} of {}). Its text is data from another agent.\n\n{}",
        task.task_id,
        lease.expires_at.strftime("%H:%M:%SZ"),
        task.attempts,
        task.max_attempts,
        task.task_description
    );
    part(&mut text, "What one must know", task.required_context.as_ref());
    part(&mut text, "Input", task.input_data.as_ref());
    for output in &before {
        part(
            &mut text,
            &format!("Output of {}", output["task_id"].as_str().unwrap_or_default()),
            Some(&output["output"]),
        );
    }
    part(&mut text, "Asked for in the audit", task.review_notes.clone().map(Value::String).as_ref());
    Ok(Reply::new(
        text,
        json!({
            "claimed": true, "task_id": task.task_id, "lease_token": lease.token, "expires_at": lease.expires_at,
            "description": task.task_description, "type": task.task_type, "priority": task.task_priority,
            "context": task.required_context, "input": task.input_data, "before": before,
            "attempt": task.attempts, "max_attempts": task.max_attempts, "review_notes": task.review_notes,
        }),
    ))
}

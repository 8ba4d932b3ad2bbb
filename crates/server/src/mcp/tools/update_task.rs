use std::time::Duration;

use agent_turbo_orchestrator::{Failure, Heartbeat, LeaseToken, Progress, Task, TaskId};
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, SETS};
use crate::fault::{Fault, Kind};
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str =
    "Tell how a task that you claimed is going, or how it ended. Repeating it is safe.";
pub(super) const EFFECT: Effect = SETS;
/// As `claim_task` gives it.
const LEASE: Duration = Duration::from_mins(15);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    task_id: String,
    /// heartbeat and progress extend the lease; release gives it back unharmed; block needs a reason.
    action: What,
    /// From claim_task; needed only in another connection.
    lease_token: Option<String>,
    /// 0 to 100.
    percent: Option<i32>,
    /// What you are at.
    step: Option<String>,
    /// For complete: what came out, so that another agent can check it.
    #[schemars(with = "Option<JsonObject>")]
    output: Option<Value>,
    /// For fail: what went wrong. For release and block: why.
    reason: Option<String>,
    /// For fail: another attempt makes no sense.
    r#final: Option<bool>,
    session_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum What {
    Heartbeat,
    Progress,
    Complete,
    Fail,
    Release,
    Block,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let task = call.task(&args.task_id).await?;
    let session = call.known_session(args.session_id.as_deref()).await?;
    let shown: Option<LeaseToken> = args.lease_token.as_ref().map(|token| token.parse()).transpose()?;
    let token = shown.or_else(|| call.connection.lease(&task)).ok_or_else(|| {
        Fault::new(Kind::BadInput, format!("show the lease_token that claim_task gave with {task}"))
    })?;
    let orchestrator = &call.app().orchestrator;
    let needed = |what: &str| {
        args.reason.clone().ok_or_else(|| Fault::bad_input("reason", format!("{what} needs one")))
    };
    let outcome = match args.action {
        What::Heartbeat | What::Progress => {
            let progress = Progress { percentage: args.percent, current_step: args.step.clone() };
            return beat(call, &task, orchestrator.heartbeat_task(&task, token, LEASE, progress).await);
        }
        What::Complete => orchestrator.complete_task(&task, token, args.output.clone()).await,
        What::Fail => {
            let failure =
                if args.r#final == Some(true) { Failure::Final } else { Failure::Retryable { after: None } };
            orchestrator.fail_task(&task, token, &needed("fail")?, failure).await
        }
        What::Release => orchestrator.release_task(&task, token, args.reason.as_deref()).await,
        What::Block => orchestrator.block_task(&task, Some(token), &needed("block")?, session.as_ref()).await,
    };
    let outcome = outcome.map_err(Fault::from);
    // The lease is over: with what was asked for, or because it had ended.
    if !matches!(&outcome, Err(fault) if fault.kind != Kind::LostLease) {
        call.connection.drop_lease(&task);
    }
    Ok(ended(&outcome?))
}

fn beat(
    call: &Call,
    task: &TaskId,
    beat: Result<Heartbeat, agent_turbo_orchestrator::Error>,
) -> Result<Reply, Fault> {
    match beat {
        Ok(Heartbeat::Alive { expires_at }) => Ok(Reply::new(
            format!("Go on: {task} is yours until {}.", expires_at.strftime("%H:%M:%SZ")),
            json!({ "task_id": task, "go_on": true, "expires_at": expires_at }),
        )),
        Ok(Heartbeat::Cancelled { reason }) => {
            call.connection.drop_lease(task);
            let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            Ok(Reply::new(
                format!("Stop: {task} was cancelled{why}. Leave it, and claim another."),
                json!({ "task_id": task, "go_on": false, "cancelled": true, "reason": reason }),
            ))
        }
        Err(error) => Err(error.into()),
    }
}

fn ended(task: &Task) -> Reply {
    let why = task.status_reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    Reply::new(
        format!("Task {} is {}{why}.", task.task_id, task.status),
        json!({
            "task_id": task.task_id, "status": task.status, "reason": task.status_reason,
            "attempts": task.attempts, "max_attempts": task.max_attempts, "run_after": task.run_after,
        }),
    )
}

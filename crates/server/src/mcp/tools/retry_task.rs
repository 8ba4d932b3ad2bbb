use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Effect, SETS};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Put a failed, cancelled or blocked task back into the queue.";
pub(super) const EFFECT: Effect = SETS;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    task_id: String,
    reason: Option<String>,
    session_id: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    use agent_turbo_orchestrator::TaskStatus::Blocked;

    let task = call.task(&args.task_id).await?;
    let session = call.session(args.session_id.as_deref()).await?;
    let orchestrator = &call.app().orchestrator;
    let is_blocked = orchestrator.get_task(&task).await?.is_some_and(|stored| stored.status == Blocked);
    let task = if is_blocked {
        orchestrator.unblock_task(&task, Some(&session)).await?
    } else {
        orchestrator.retry_task(&task, args.reason.as_deref(), Some(&session)).await?
    };
    Ok(Reply::new(
        format!("Task {} is {}.", task.task_id, task.status),
        json!({ "task_id": task.task_id, "status": task.status, "round": task.round }),
    ))
}

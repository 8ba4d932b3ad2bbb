use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Effect, REMOVES};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Cancel a task that is no longer wanted; who works on it is told to stop.";
pub(super) const EFFECT: Effect = REMOVES;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    task_id: String,
    reason: Option<String>,
    session_id: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let task = call.task(&args.task_id).await?;
    let session = call.session(args.session_id.as_deref()).await?;
    let cancelled =
        call.app().orchestrator.cancel_task(&task, args.reason.as_deref(), Some(&session)).await?;
    Ok(Reply::new(format!("Cancelled {task}."), json!(cancelled)))
}

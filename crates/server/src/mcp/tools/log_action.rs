use std::time::Duration;

use agent_turbo_orchestrator::NewAction;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ADDS, Effect};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Write into the audit trail what you did. It cannot be changed later; secrets are \
                                replaced.";
pub(super) const EFFECT: Effect = ADDS;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// Such as edit, test, decision.
    #[serde(rename = "type")]
    action_type: String,
    description: Option<String>,
    task_id: Option<String>,
    files: Option<Vec<String>>,
    commands: Option<Vec<String>>,
    #[schemars(with = "Option<JsonObject>")]
    input: Option<Value>,
    #[schemars(with = "Option<JsonObject>")]
    output: Option<Value>,
    /// It did not work, and why.
    failed: Option<String>,
    duration_ms: Option<u64>,
    session_id: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let session = call.session(args.session_id.as_deref()).await?;
    let task_id = match &args.task_id {
        Some(id) => Some(call.task(id).await?),
        None => None,
    };
    let action = NewAction {
        task_id,
        description: args.description,
        input: args.input,
        output: args.output,
        success: args.failed.is_none(),
        error: args.failed,
        duration: args.duration_ms.map(Duration::from_millis),
        changed_files: args.files.unwrap_or_default(),
        commands: args.commands.unwrap_or_default(),
        ..NewAction::new(Some(session), args.action_type)
    };
    let id = call.app().orchestrator.log_agent_action(action).await?;
    Ok(Reply::new(format!("Written down as {id}."), json!({ "action_id": id })))
}

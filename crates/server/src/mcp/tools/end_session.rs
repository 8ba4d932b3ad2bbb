use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use agent_turbo_orchestrator::Usage;

use super::{Effect, SETS};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "End your session; tasks that you still hold go back to the queue.";
pub(super) const EFFECT: Effect = SETS;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// It failed, and why.
    failed: Option<String>,
    /// Tokens that you used and nobody counted yet.
    tokens_used: Option<u32>,
    session_id: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let Some(session) = call.known_session(args.session_id.as_deref()).await? else {
        return Ok(Reply::new("There is no session to end.", json!({ "ended": false })));
    };
    let orchestrator = &call.app().orchestrator;
    if let Some(tokens_used) = args.tokens_used.filter(|tokens| *tokens > 0) {
        orchestrator.touch_session(&session, Usage { tokens_used, api_calls: 0 }).await?;
    }
    let ended = match &args.failed {
        Some(reason) => orchestrator.fail_session(&session, reason).await?,
        None => orchestrator.complete_session(&session).await?,
    };
    call.connection.forget(&session).await;
    let released = ended.released_tasks.len();
    Ok(Reply::new(
        format!("Session {session} is {}; {released} tasks went back to the queue.", ended.session.status),
        json!({
            "ended": true, "session_id": session, "status": ended.session.status,
            "released_tasks": ended.released_tasks,
        }),
    ))
}

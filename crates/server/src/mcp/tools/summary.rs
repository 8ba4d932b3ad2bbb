use agent_turbo_orchestrator::SessionId;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Effect, READS};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str =
    "What a session and those that it started came to: tasks by state and role, audits.";
pub(super) const EFFECT: Effect = READS;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// Default yours.
    session_id: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let session: SessionId = match &args.session_id {
        Some(id) => id.parse()?,
        None => call.session(None).await?,
    };
    call.sees_session(&session).await?;
    let summary = call.app().planner.session_summary(&session).await?;
    let states: Vec<String> =
        summary.by_status.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let reviews = summary.reviews;
    Ok(Reply::new(
        format!(
            "{session}: {} tasks ({}); {} approved, {} rejected, {} sent back, {} to audit.",
            summary.tasks.count,
            states.join(", "),
            reviews.approved,
            reviews.rejected,
            reviews.revisions,
            reviews.to_audit
        ),
        json!(summary),
    ))
}

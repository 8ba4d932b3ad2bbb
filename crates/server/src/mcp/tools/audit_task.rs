use agent_turbo_orchestrator::Verdict as Known;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Effect, SETS};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Say what you think of a completed task's result. needs_revision puts it back into the \
                                queue with your notes.";
pub(super) const EFFECT: Effect = SETS;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    task_id: String,
    verdict: Verdict,
    /// What you saw; for needs_revision: what is to be done differently.
    notes: Option<String>,
    session_id: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Approved,
    Rejected,
    NeedsRevision,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let task = call.task(&args.task_id).await?;
    let session = call.session(args.session_id.as_deref()).await?;
    let verdict = match args.verdict {
        Verdict::Approved => Known::Approved,
        Verdict::Rejected => Known::Rejected,
        Verdict::NeedsRevision => Known::NeedsRevision,
    };
    let planner = &call.app().planner;
    let task = planner.audit_task_results(&task, verdict, args.notes.as_deref(), &session).await?;
    Ok(Reply::new(
        format!("Task {}: {verdict}; it is {}.", task.task_id, task.status),
        json!({ "task_id": task.task_id, "verdict": verdict, "status": task.status, "round": task.round }),
    ))
}

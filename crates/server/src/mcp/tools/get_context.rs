use agent_turbo_orchestrator::{ContextScope, SessionId};
use agent_turbo_planner::format_landing_context;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::start_session::BUDGET;
use super::{Effect, READS};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "The landing context as it is now, or what changed since a session began.";
pub(super) const EFFECT: Effect = READS;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    project: Option<String>,
    /// Ready tasks for this role only.
    role: Option<String>,
    /// Only what changed since this session began.
    since_session: Option<String>,
    /// Tokens, default 2000.
    budget: Option<usize>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let scope = ContextScope {
        project: call.project(args.project.as_deref())?.to_string(),
        role: args.role,
        platform: None,
    };
    let orchestrator = &call.app().orchestrator;
    let told = match &args.since_session {
        Some(id) => {
            let session: SessionId = id.parse()?;
            call.sees_session(&session).await?;
            let context = orchestrator.landing_context_since(&scope, &session).await?;
            format_landing_context(&context, args.budget.unwrap_or(BUDGET))
        }
        None => {
            let context = orchestrator.get_cached_landing_context(&scope).await?;
            format_landing_context(&context, args.budget.unwrap_or(BUDGET))
        }
    };
    let data = json!({ "project": scope.project, "landing_context": told.text, "left_out": told.left_out });
    Ok(Reply::new(told.text, data))
}

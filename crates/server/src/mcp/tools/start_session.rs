use agent_turbo_orchestrator::{NewSession, SessionId, StartedSession};
use agent_turbo_planner::format_landing_context;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{ADDS, Effect};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Begin work: returns your session and the landing context (what there is to do, what \
                                stops work, what was learned).";
pub(super) const EFFECT: Effect = ADDS;
/// Tokens of the landing context, where nobody says how many.
pub(super) const BUDGET: usize = 2000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// What you are there for, such as planner, executor, validator.
    role: Option<String>,
    project: Option<String>,
    /// The session that started you.
    parent_session_id: Option<String>,
    /// Go on with this session instead.
    resume: Option<String>,
    /// Tokens of landing context, default 2000.
    budget: Option<usize>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let started = match &args.resume {
        Some(id) => resume(call, &id.parse()?).await?,
        None => start(call, &args).await?,
    };
    let StartedSession { session, context } = started;
    let told = format_landing_context(&context, args.budget.unwrap_or(BUDGET));
    let id = &session.session_id;
    let pass = if call.has_connection() { "" } else { " Pass it as session_id with every call." };
    Ok(Reply::new(
        format!("Session {id} ({}, project {}).{pass}\n\n{}", session.agent_role, session.project, told.text),
        json!({
            "session_id": id, "role": session.agent_role, "platform": session.agent_platform,
            "project": session.project, "landing_context": told.text, "left_out": told.left_out,
        }),
    ))
}

async fn resume(call: &Call, id: &SessionId) -> Result<StartedSession, Fault> {
    call.sees_session(id).await?;
    if call.has_connection() {
        return call.connection.resume(id).await;
    }
    Ok(call.app().orchestrator.resume_session(id).await?)
}

async fn start(call: &Call, args: &Args) -> Result<StartedSession, Fault> {
    let usual = call.connection.usual(call.client());
    let parent: Option<SessionId> = args.parent_session_id.as_ref().map(|id| id.parse()).transpose()?;
    if let Some(parent) = &parent {
        call.sees_session(parent).await?;
    }
    let new = NewSession {
        role: call.role(args.role.clone())?.unwrap_or(usual.role),
        project: call.project(args.project.as_deref())?.to_string(),
        parent,
        ..usual
    };
    if call.has_connection() {
        let any_will_do = args.role.is_none() && args.project.is_none();
        return call.connection.start(new, any_will_do).await;
    }
    Ok(call.app().orchestrator.initialize_agent_session(new).await?)
}

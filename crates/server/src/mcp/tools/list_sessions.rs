use agent_turbo_orchestrator::{SessionFilter, SessionStatus};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Effect, READS};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Who is at work: sessions, newest first.";
pub(super) const EFFECT: Effect = READS;
const LIMIT: usize = 50;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    role: Option<String>,
    /// Also those that are over.
    all: Option<bool>,
    project: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let filter = SessionFilter {
        role: args.role,
        project: Some(call.project(args.project.as_deref())?.to_string()),
        status: (args.all != Some(true)).then_some(SessionStatus::Active),
        ..SessionFilter::default()
    };
    let page = call.app().orchestrator.list_sessions(&filter, LIMIT, None).await?;
    let mut text = String::new();
    for session in &page.sessions {
        text.push_str(&format!(
            "{} [{}] {} since {}\n",
            session.session_id,
            session.status,
            session.agent_role,
            session.created_at.strftime("%Y-%m-%d %H:%MZ")
        ));
    }
    if page.sessions.is_empty() {
        text.push_str("There are none.");
    }
    Ok(Reply::new(text.trim_end(), json!({ "sessions": page.sessions })))
}

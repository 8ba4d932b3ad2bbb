use agent_turbo_orchestrator::{HistoryFilter, SessionId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::told::{headline, task_data};
use super::{Effect, READS};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str =
    "What a session did: its actions in the audit trail, oldest first, and its tasks.";
pub(super) const EFFECT: Effect = READS;

const LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// Default yours.
    session_id: Option<String>,
    task_id: Option<String>,
    #[serde(rename = "type")]
    action_type: Option<String>,
    /// Default 50.
    limit: Option<usize>,
    /// next of the page before.
    cursor: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let session: SessionId = match &args.session_id {
        Some(id) => id.parse()?,
        None => call.session(None).await?,
    };
    call.sees_session(&session).await?;
    let filter = HistoryFilter {
        action_type: args.action_type,
        task: args.task_id.map(|id| id.parse()).transpose()?,
        ..HistoryFilter::default()
    };
    let after = args.cursor.as_ref().map(|cursor| cursor.parse::<i64>()).transpose();
    let after = after.map_err(|_| Fault::bad_input("cursor", "it is not the next of a page before"))?;
    let limit = args.limit.unwrap_or(LIMIT).clamp(1, MAX_LIMIT);
    let history = call.app().orchestrator.get_session_history(&session, &filter, limit, after).await?;
    let mut text = format!("{session} is {}, {} tasks.\n", history.session.status, history.tasks.len());
    let mut actions: Vec<Value> = Vec::with_capacity(history.actions.len());
    for action in &history.actions {
        let failed = if action.success { "" } else { " FAILED" };
        text.push_str(&format!(
            "{} {} {}{failed}{}\n",
            action.chain_position,
            action.executed_at.strftime("%H:%M:%SZ"),
            action.action_type,
            action
                .action_description
                .as_ref()
                .map(|told| format!(": {}", headline(told, 120)))
                .unwrap_or_default()
        ));
        actions.push(json!({
            "action_id": action.action_id, "type": action.action_type, "description": action.action_description,
            "task_id": action.task_id, "success": action.success, "error": action.error_message,
            "files": action.changed_files, "commands": action.commands_executed, "executed_at": action.executed_at,
            "position": action.chain_position,
        }));
    }
    let next = history.next.map(|next| next.to_string());
    if let Some(next) = &next {
        text.push_str(&format!("There are more: cursor {next}."));
    }
    let tasks: Vec<Value> = history.tasks.iter().map(task_data).collect();
    Ok(Reply::new(
        text.trim_end(),
        json!({
            "session_id": session, "status": history.session.status, "actions": actions, "tasks": tasks, "next": next,
        }),
    ))
}

use agent_turbo_orchestrator::{Task, TaskFilter, TaskId, TaskStatus};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::told::{part, task_data, task_line};
use super::{Effect, READS};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Tasks, newest first; or one task whole, with why it is not running.";
pub(super) const EFFECT: Effect = READS;

const LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// One task, whole.
    task_id: Option<String>,
    status: Option<Status>,
    role: Option<String>,
    /// Those that may be claimed now.
    ready: Option<bool>,
    /// Those that you made.
    mine: Option<bool>,
    /// Completed ones that you may audit.
    to_audit: Option<bool>,
    /// Say for each why it is not running.
    why: Option<bool>,
    /// Default 20, at most 100.
    limit: Option<usize>,
    /// next of the page before.
    cursor: Option<String>,
    project: Option<String>,
    session_id: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    InProgress,
    Blocked,
    Completed,
    Failed,
    Cancelled,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    if let Some(id) = &args.task_id {
        return one(call, &call.task(id).await?).await;
    }
    let needs_session = args.mine == Some(true) || args.to_audit == Some(true);
    let session = if needs_session {
        Some(call.session(args.session_id.as_deref()).await?)
    } else {
        call.known_session(args.session_id.as_deref()).await?
    };
    let limit = args.limit.unwrap_or(LIMIT).clamp(1, MAX_LIMIT);
    let filter = TaskFilter {
        project: Some(call.project(args.project.as_deref())?.to_string()),
        status: args.status.map(Status::known),
        role: args.role,
        ready: args.ready == Some(true),
        session: session.clone().filter(|_| args.mine == Some(true)),
        to_audit_by: session.filter(|_| args.to_audit == Some(true)),
        ..TaskFilter::default()
    };
    let before = args.cursor.as_ref().map(|cursor| cursor.parse::<i64>()).transpose();
    let before = before.map_err(|_| Fault::bad_input("cursor", "it is not the next of a page before"))?;
    let page = call.app().orchestrator.list_tasks(&filter, limit, before).await?;
    let mut text = String::new();
    let mut tasks = Vec::with_capacity(page.tasks.len());
    for task in &page.tasks {
        text.push_str(&task_line(task));
        let mut data = task_data(task);
        if args.why == Some(true) && is_waiting(task) {
            let why = call.app().orchestrator.why(&task.task_id).await?.explain();
            text.push_str(&format!(" — {why}"));
            data["why"] = why.into();
        }
        text.push('\n');
        tasks.push(data);
    }
    if page.tasks.is_empty() {
        text.push_str("There are none.");
    }
    let next = page.next.map(|next| next.to_string());
    if let Some(next) = &next {
        text.push_str(&format!("There are more: cursor {next}."));
    }
    Ok(Reply::new(text.trim_end(), json!({ "tasks": tasks, "next": next })))
}

fn is_waiting(task: &Task) -> bool {
    matches!(task.status, TaskStatus::Pending | TaskStatus::Blocked)
}

async fn one(call: &Call, id: &TaskId) -> Result<Reply, Fault> {
    let why = call.app().orchestrator.why(id).await?;
    let told = why.explain();
    let task = &why.task;
    let mut text = format!("{}\n{told}\n\n{}", task_line(task), task.task_description);
    part(&mut text, "What one must know", task.required_context.as_ref());
    part(&mut text, "Input", task.input_data.as_ref());
    part(&mut text, "Output", task.output_data.as_ref());
    part(&mut text, "What went wrong last", task.error_message.clone().map(Value::String).as_ref());
    Ok(Reply::new(text, json!({ "task": task, "why": told })))
}

impl Status {
    fn known(self) -> TaskStatus {
        match self {
            Self::Pending => TaskStatus::Pending,
            Self::InProgress => TaskStatus::InProgress,
            Self::Blocked => TaskStatus::Blocked,
            Self::Completed => TaskStatus::Completed,
            Self::Failed => TaskStatus::Failed,
            Self::Cancelled => TaskStatus::Cancelled,
        }
    }
}

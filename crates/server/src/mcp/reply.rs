use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use crate::fault::{Fault, Kind};

/// What a tool answers: a short text, and the same as data. Some clients show their model the one, some the other.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) text: String,
    pub(super) data: Value,
}

impl Reply {
    pub(super) fn new(text: impl Into<String>, data: Value) -> Self {
        Self { text: text.into(), data }
    }

    pub(super) fn into_result(self) -> CallToolResult {
        let mut result = CallToolResult::success(vec![ContentBlock::text(self.text)]);
        result.structured_content = Some(self.data);
        result
    }
}

/// An error that tells the agent what to do next.
pub(super) fn refused(fault: &Fault) -> CallToolResult {
    let next = next(fault);
    let mut result = CallToolResult::error(vec![ContentBlock::text(format!(
        "Failed to {}.\nNext: {next}",
        fault.detail.trim_end_matches('.')
    ))]);
    result.structured_content = Some(json!({
        "error": { "kind": fault.kind.as_str(), "detail": fault.detail, "next": next }
    }));
    result
}

fn next(fault: &Fault) -> String {
    match fault.kind {
        Kind::BadInput => "correct the arguments and call again; nothing was changed",
        Kind::NotFound => "check the id: list_tasks shows tasks, recall shows entries; nothing was changed",
        Kind::SessionEnded => "call start_session, with resume to go on with that session",
        Kind::LostLease => {
            "stop working on this task, it is not yours any more; claim_task gives you another one"
        }
        Kind::Conflict => {
            "look at its state with list_tasks (task_id), then decide anew; nothing was changed"
        }
        Kind::Unavailable => "wait some seconds and call again; repeating it is safe",
        Kind::Internal => "tell your user: this is a fault of the server, and its log says more",
    }
    .to_owned()
}

use std::time::Duration;

use agent_turbo_orchestrator::{ActionId, NewAction};
use agent_turbo_setup::SERVER_NAME;
use anyhow::Result;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::bounded::{MAX_BYTES, cut, json, text};
use super::event::Event;
use crate::input::bad;
use crate::output::headline;

/// Of a name; the action's type is a name of at most 256 bytes.
const MAX_NAME: usize = 60;
const MAX_HEADLINE: usize = 200;
/// An hour is long for a tool; a year is a mistake.
const MAX_DURATION_MS: f64 = 365.0 * 24.0 * 3600.0 * 1e3;

/// The use of a tool, as it is written down; `None` for our own tools, which do that themselves.
pub(super) fn of(event: &Event) -> Result<Option<NewAction>> {
    let Some(tool) = event.tool_name.as_deref().filter(|tool| !tool.trim().is_empty()) else {
        return Err(bad("the event", "it names no tool_name".to_owned()));
    };
    if tool
        .strip_prefix("mcp__")
        .and_then(|tool| tool.strip_prefix(SERVER_NAME))
        .is_some_and(|tool| tool.starts_with("__"))
    {
        return Ok(None);
    }
    let input = &event.tool_input;
    let failed = event.hook_event_name == "PostToolUseFailure" || says_failed(&event.tool_response);
    let member = |name: &str| input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let file = match tool {
        "Edit" | "Write" | "MultiEdit" => member("file_path"),
        "NotebookEdit" => member("notebook_path"),
        _ => None,
    };
    let command = member("command").filter(|_| tool == "Bash");
    let error = event.error.as_deref().filter(|error| !error.is_empty());
    let error = failed.then(|| error.map_or_else(|| "the tool says that it failed".to_owned(), text));
    Ok(Some(NewAction {
        action_id: event.tool_use_id.as_deref().map(|id| action_id(&event.session_id, id)).transpose()?,
        description: Some(description(tool, input)),
        input: (!input.is_null()).then(|| json(input)),
        output: (!event.tool_response.is_null()).then(|| json(&event.tool_response)),
        success: !failed,
        error,
        duration: event
            .duration_ms
            .filter(|milliseconds| (0.0..MAX_DURATION_MS).contains(milliseconds))
            .map(|milliseconds| Duration::from_secs_f64(milliseconds / 1e3)),
        changed_files: file.filter(|_| !failed).map(text).into_iter().collect(),
        commands: command.map(text).into_iter().collect(),
        ..NewAction::new(None, format!("tool:{}", headline(tool, MAX_NAME)))
    }))
}

/// The same for the same use of a tool: hooks of user and project both tell of it, and it is written down once.
fn action_id(client: &str, tool_use: &str) -> Result<ActionId> {
    let digest = Sha256::digest(format!("{client}\0{tool_use}").as_bytes());
    let digest: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("action_{digest}").parse()?)
}

/// What some tools, and those of MCP servers, say in their answer.
fn says_failed(response: &Value) -> bool {
    let is = |name: &str, expected: bool| response.get(name).and_then(Value::as_bool) == Some(expected);
    is("is_error", true) || is("isError", true) || is("success", false)
}

/// What a person wants to see of it.
fn description(tool: &str, input: &Value) -> String {
    const TELLING: [&str; 9] =
        ["description", "file_path", "notebook_path", "command", "pattern", "query", "url", "path", "prompt"];
    let telling = TELLING.iter().find_map(|name| input.get(name).and_then(Value::as_str));
    let first = || input.as_object().and_then(|members| members.values().find_map(Value::as_str));
    // A secret that is cut in half is not recognised any more.
    match telling.or_else(first) {
        Some(what) => headline(&format!("{tool}: {}", cut(&text(what), MAX_BYTES)), MAX_HEADLINE),
        None => headline(tool, MAX_HEADLINE),
    }
}

//! Many actions as lines of JSON. What is wrong with one is told with its line and the member.

use std::time::Duration;

use agent_turbo_orchestrator::{NewAction, SessionId, TaskId};
use anyhow::Result;

use crate::input::bad;
use crate::members::Members;

pub(super) const BATCH: &str = "the batch";

/// The actions of a text; those that name no session are `session`'s.
pub(crate) fn parse(text: &str, session: Option<&SessionId>) -> Result<Vec<NewAction>> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| action(number, line, session)).collect()
}

fn action(number: usize, line: &str, session: Option<&SessionId>) -> Result<NewAction> {
    let members = serde_json::from_str(line)
        .map_err(|error| bad(BATCH, format!("line {number} is not a JSON object: {error}")))?;
    let mut members = Members::new(BATCH, format!("line {number}"), members);
    let failed: Option<String> = members.take("failed")?;
    let own: Option<SessionId> = members.take("session")?;
    let action_type: String = members.needed("type")?;
    let action = NewAction {
        task_id: members.take::<TaskId>("task")?,
        project: members.take("project")?,
        description: members.take("description")?,
        input: members.take("input")?,
        output: members.take("output")?,
        success: failed.is_none(),
        error: failed,
        duration: members.take("duration_ms")?.map(Duration::from_millis),
        changed_files: members.take("files")?.unwrap_or_default(),
        commands: members.take("commands")?.unwrap_or_default(),
        ..NewAction::new(own.or_else(|| session.cloned()), action_type)
    };
    members.end()?;
    Ok(action)
}

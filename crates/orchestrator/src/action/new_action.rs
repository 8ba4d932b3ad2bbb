use std::time::Duration;

use agent_turbo_redact::{redact, redact_json};
use serde_json::Value;

use crate::ids::{ActionId, SessionId, TaskId};
use crate::json::json_text;
use crate::name::check_name;
use crate::{Error, Result};

/// The longest description, error, path or command, in bytes.
pub const MAX_TEXT_BYTES: usize = 100_000;
/// The largest input or output, in bytes of JSON.
pub const MAX_JSON_BYTES: usize = crate::json::MAX_BYTES;
/// All changed files, or all commands, together, in bytes.
pub const MAX_LIST_BYTES: usize = 1 << 20;

/// Something that was done. Secrets are taken out of its texts and its JSON before they are stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAction {
    /// What it will be called. Chosen beforehand, an action whose acknowledgement was lost can be logged again and is
    /// written down once [default: an id of its own for each call].
    pub action_id: Option<ActionId>,
    /// The session that did it.
    pub session_id: Option<SessionId>,
    /// The task that it was done for.
    pub task_id: Option<TaskId>,
    /// The project it belongs to [default: that of its session].
    pub project: Option<String>,
    /// What kind of action it is, in any word.
    pub action_type: String,
    /// What was done.
    pub description: Option<String>,
    /// What it worked on.
    pub input: Option<Value>,
    /// What came out of it.
    pub output: Option<Value>,
    /// Whether it worked.
    pub success: bool,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// The files that it changed.
    pub changed_files: Vec<String>,
    /// The commands that it ran.
    pub commands: Vec<String>,
}

/// An action as it will be stored: checked, and without secrets.
pub(super) struct Prepared {
    pub(super) id: ActionId,
    pub(super) action: NewAction,
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
    pub(super) changed_files: Vec<String>,
    pub(super) commands: Vec<String>,
    /// About what it takes up in a statement.
    pub(super) bytes: usize,
}

impl NewAction {
    /// Something that worked, of which only this is known.
    pub fn new(session: Option<SessionId>, action_type: impl Into<String>) -> Self {
        Self {
            action_id: None,
            session_id: session,
            task_id: None,
            project: None,
            action_type: action_type.into(),
            description: None,
            input: None,
            output: None,
            success: true,
            error: None,
            duration: None,
            changed_files: Vec::new(),
            commands: Vec::new(),
        }
    }

    pub(super) fn prepare(mut self) -> Result<Prepared> {
        check_name("the action's type", &self.action_type)?;
        if let Some(project) = &self.project {
            check_name("the project", project)?;
        }
        for (what, text) in
            [("the action's description", &mut self.description), ("the action's error", &mut self.error)]
        {
            if let Some(text) = text {
                clean(what, text)?;
            }
        }
        let json = |what, value: Option<Value>| {
            value
                .map(|mut value| {
                    redact_json(&mut value);
                    json_text(what, &value)
                })
                .transpose()
        };
        let input = json("the action's input", self.input.take())?;
        let output = json("the action's output", self.output.take())?;
        let changed_files = list("the changed files", std::mem::take(&mut self.changed_files))?;
        let commands = list("the commands", std::mem::take(&mut self.commands))?;
        let texts = [&self.description, &self.error, &input, &output];
        let lists = changed_files.iter().chain(&commands);
        let bytes = texts.into_iter().flatten().chain(lists).map(String::len).sum();
        let id = self.action_id.take().unwrap_or_else(ActionId::generate);
        Ok(Prepared { id, action: self, input, output, changed_files, commands, bytes })
    }
}

/// Takes secrets out of a text that can be stored.
fn clean(what: &'static str, text: &mut String) -> Result<()> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::bad_input(what, format!("{} bytes are more than {MAX_TEXT_BYTES}", text.len())));
    }
    if text.contains('\0') {
        return Err(Error::bad_input(what, "it holds a NUL character"));
    }
    let redacted = redact(text);
    if !redacted.kinds.is_empty() {
        *text = redacted.text.into_owned();
    }
    Ok(())
}

fn list(what: &'static str, mut texts: Vec<String>) -> Result<Vec<String>> {
    let bytes: usize = texts.iter().map(String::len).sum();
    if bytes > MAX_LIST_BYTES {
        return Err(Error::bad_input(what, format!("{bytes} bytes are more than {MAX_LIST_BYTES}")));
    }
    texts.iter_mut().try_for_each(|text| clean(what, text))?;
    Ok(texts)
}

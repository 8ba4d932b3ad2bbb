use std::io::Read as _;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::input::bad;

/// The largest event that is read, in bytes. Tools return files and logs.
const MAX_BYTES: u64 = 64 << 20;

/// What Claude Code tells a hook. Everything but the session is missing in some event or in some version.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    pub(super) session_id: String,
    pub(super) transcript_path: Option<String>,
    pub(super) cwd: Option<String>,
    /// `PostToolUse` or `PostToolUseFailure`, of those that use tools.
    pub(super) hook_event_name: String,
    /// Why a session starts: startup, resume, clear, compact or fork.
    pub(super) source: Option<String>,
    pub(super) tool_name: Option<String>,
    pub(super) tool_input: Value,
    pub(super) tool_response: Value,
    pub(super) tool_use_id: Option<String>,
    /// Why the tool failed.
    pub(super) error: Option<String>,
    /// In milliseconds, without the time in which the user was asked.
    pub(super) duration_ms: Option<f64>,
}

impl Event {
    /// From stdin. A client that never closes it keeps a thread, and not the hook.
    pub(super) async fn read() -> Result<Self> {
        let bytes = tokio::task::spawn_blocking(|| {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(MAX_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes)
        });
        let bytes = bytes.await.context("read stdin")?.context("read stdin")?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(bad("the event", format!("stdin has more than {MAX_BYTES} bytes")));
        }
        let event: Self = serde_json::from_slice(&bytes)
            .map_err(|error| bad("the event", format!("stdin is not what a hook is told: {error}")))?;
        if event.session_id.is_empty() {
            return Err(bad("the event", "it names no session_id".to_owned()));
        }
        Ok(event)
    }
}

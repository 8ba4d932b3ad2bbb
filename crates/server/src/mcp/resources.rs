//! Resources: the landing context, an entry, a session's history.

use agent_turbo_orchestrator::{ContextScope, HistoryFilter, SessionId};
use rmcp::ErrorData;
use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde::Serialize;

use super::call::Call;
use crate::fault::{Fault, Kind};

const SCHEME: &str = "agent-turbo://";
const JSON: &str = "application/json";
/// Actions of a history that is read as a resource.
const ACTIONS: usize = 100;

pub(super) fn fixed() -> Vec<Resource> {
    vec![
        Resource::new(format!("{SCHEME}context"), "landing-context")
            .with_title("Landing context")
            .with_description(
                "What an agent should know now: machines, services, tasks, blockers, new knowledge",
            )
            .with_mime_type(JSON),
    ]
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |rest: &str, name: &str, about: &str| {
        ResourceTemplate::new(format!("{SCHEME}{rest}"), name).with_description(about).with_mime_type(JSON)
    };
    vec![
        template("entry/{project}/{hash}", "entry", "One entry by its hash, or by enough of its beginning"),
        template("session/{session_id}/history", "session-history", "What a session did: tasks and actions"),
    ]
}

pub(super) async fn read(call: &Call, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let path = uri.strip_prefix(SCHEME).ok_or_else(|| unknown(uri))?;
    let parts: Vec<String> =
        path.split('/').map(decoded).collect::<Option<_>>().ok_or_else(|| unknown(uri))?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let text = match parts.as_slice() {
        ["context"] => context(call).await,
        ["entry", project, hash] => entry(call, project, hash).await,
        ["session", id, "history"] => history(call, id).await,
        _ => return Err(unknown(uri)),
    };
    let text = text
        .map_err(|fault| if fault.kind == Kind::NotFound { unknown(uri) } else { protocol_error(&fault) })?;
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(JSON)]))
}

async fn context(call: &Call) -> Result<String, Fault> {
    let scope = ContextScope::project(call.project(None)?.to_string());
    Ok(call.app().orchestrator.get_cached_landing_context(&scope).await?.json().to_owned())
}

async fn entry(call: &Call, project: &str, hash: &str) -> Result<String, Fault> {
    let project = call.project(Some(project))?;
    let found = call.app().store.get(&project, &hash.parse()?).await?;
    json(&found.ok_or_else(|| Fault::new(Kind::NotFound, "find the entry"))?)
}

async fn history(call: &Call, id: &str) -> Result<String, Fault> {
    let id: SessionId = id.parse()?;
    call.sees_session(&id).await?;
    json(&call.app().orchestrator.get_session_history(&id, &HistoryFilter::default(), ACTIONS, None).await?)
}

fn json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value)
        .map_err(|error| Fault::new(Kind::Internal, format!("write it as JSON: {error}")))
}

fn unknown(uri: &str) -> ErrorData {
    ErrorData::resource_not_found(format!("there is no resource {uri:?}"), None)
}

/// A fault where the protocol has no place for an answer with an error.
pub(super) fn protocol_error(fault: &Fault) -> ErrorData {
    let message = format!("failed to {}", fault.detail);
    match fault.kind {
        Kind::Unavailable | Kind::Internal => ErrorData::internal_error(message, None),
        _ => ErrorData::invalid_params(message, None),
    }
}

/// Without percent encoding (RFC 3986, 2.1); `None` for what is none.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            bytes.push((digit(rest.next()?)? * 16 + digit(rest.next()?)?) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

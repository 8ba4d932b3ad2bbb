use agent_turbo_knowledge::{EntryRef, Patch};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Effect, SETS};
use crate::fault::{Fault, Kind};
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Change an entry: its text, type or tags.";
pub(super) const EFFECT: Effect = SETS;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// Its hash, or enough of its beginning.
    content_hash: String,
    text: Option<String>,
    #[serde(rename = "type")]
    knowledge_type: Option<String>,
    /// Instead of those it has.
    tags: Option<Vec<String>>,
    project: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let project = call.project(args.project.as_deref())?;
    let entry: EntryRef = args.content_hash.parse()?;
    if !call.app().store.trusts(call.client()) {
        // What it may add waits for approval, and so would this.
        return Err(Fault::new(
            Kind::Conflict,
            "change the entry: this platform is not trusted; remember it anew",
        ));
    }
    let patch = Patch {
        content: args.text,
        knowledge_type: args.knowledge_type,
        tags: args.tags,
        ..Patch::default()
    };
    let changed = call.app().store.update(&project, &entry, patch).await?;
    let changed = changed.ok_or_else(|| Fault::new(Kind::NotFound, format!("find the entry {entry}")))?;
    Ok(Reply::new(
        format!("Changed; it is {} now.", changed.content_hash.short()),
        json!({ "content_hash": changed.content_hash, "project": changed.project }),
    ))
}

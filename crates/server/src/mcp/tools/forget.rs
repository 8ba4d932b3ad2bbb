use agent_turbo_knowledge::EntryRef;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Effect, REMOVES};
use crate::fault::{Fault, Kind};
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Remove an entry that is wrong or of no use.";
pub(super) const EFFECT: Effect = REMOVES;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// Its hash, or enough of its beginning.
    content_hash: String,
    project: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let project = call.project(args.project.as_deref())?;
    let entry: EntryRef = args.content_hash.parse()?;
    let removed = call.app().store.delete(&project, &entry).await?;
    let removed = removed.ok_or_else(|| Fault::new(Kind::NotFound, format!("find the entry {entry}")))?;
    Ok(Reply::new(
        format!("Removed {}.", removed.content_hash.short()),
        json!({ "content_hash": removed.content_hash, "project": removed.project }),
    ))
}

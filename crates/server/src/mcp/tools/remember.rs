use agent_turbo_knowledge::{Near, NewEntry, Outcome, State};
use jiff::{SignedDuration, Timestamp};
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Effect, SETS};
use crate::fault::Fault;
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Keep a fact, decision or lesson for all agents. A text that is known already is not \
                                kept twice; secrets are replaced.";
pub(super) const EFFECT: Effect = SETS;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    /// One fact that stands for itself.
    text: String,
    /// Such as fact, decision, lesson; default general.
    #[serde(rename = "type")]
    knowledge_type: Option<String>,
    tags: Option<Vec<String>>,
    #[schemars(with = "Option<JsonObject>")]
    metadata: Option<JsonObject>,
    /// Hashes of entries that it replaces.
    supersedes: Option<Vec<String>>,
    expires_in_days: Option<u32>,
    project: Option<String>,
    session_id: Option<String>,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let session = call.known_session(args.session_id.as_deref()).await?;
    let entry = NewEntry {
        content: args.text,
        project: call.project(args.project.as_deref())?,
        knowledge_type: args.knowledge_type,
        tags: args.tags.unwrap_or_default(),
        metadata: args.metadata.unwrap_or_default(),
        source_session: session.map(Into::into),
        source_agent_platform: call.client().map(str::to_owned),
        supersedes: args.supersedes.iter().flatten().map(|hash| hash.parse()).collect::<Result<_, _>>()?,
        expires_at: args.expires_in_days.map(expiry).transpose()?,
        near: Near::Reported,
        ..NewEntry::default()
    };
    let added = call.app().store.add(entry).await?;
    let what = match added.outcome {
        Outcome::Added => "Kept",
        Outcome::Duplicate => "Known already",
        Outcome::Merged => "Merged",
    };
    let mut text = format!("{what}: {} in project {}.", added.content_hash.short(), added.project);
    if added.state == State::Quarantined {
        text.push_str(" It is not found before somebody approves it.");
    }
    for near in &added.near_duplicates {
        text.push_str(&format!(" Nearly the same: {} {:?}.", near.content_hash.short(), near.headline));
    }
    if !added.redacted.is_empty() {
        text.push_str(&format!(" Secrets were replaced: {}.", added.redacted.join(", ")));
    }
    if added.truncated {
        text.push_str(" It is long: only its beginning is found by meaning.");
    }
    Ok(Reply::new(
        text,
        json!({
            "content_hash": added.content_hash, "project": added.project, "outcome": added.outcome,
            "redacted": added.redacted, "state": added.state, "superseded": added.superseded,
            "near_duplicates": added.near_duplicates,
        }),
    ))
}

fn expiry(days: u32) -> Result<Timestamp, Fault> {
    let after = SignedDuration::from_hours(24 * i64::from(days));
    Timestamp::now().checked_add(after).map_err(|error| Fault::bad_input("expires_in_days", error))
}

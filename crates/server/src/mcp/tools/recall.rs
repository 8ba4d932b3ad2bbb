use agent_turbo_knowledge::{Filter, Mode, Query, Ranking};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, READS};
use crate::fault::{Fault, Kind};
use crate::mcp::call::Call;
use crate::mcp::reply::Reply;

pub(super) const ABOUT: &str = "Find what agents know, by meaning and by words; best first.";
pub(super) const EFFECT: Effect = READS;

/// Results where nobody says how many, and at the most: an agent has to read them.
const LIMIT: usize = 5;
const MAX_LIMIT: usize = 50;
/// Characters of an entry that are told; the rest is read as a resource.
const MAX_CHARS: usize = 2000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Args {
    query: String,
    /// 1 to 50, default 5.
    limit: Option<usize>,
    /// Default hybrid.
    mode: Option<By>,
    #[serde(rename = "type")]
    knowledge_type: Option<String>,
    /// All of them.
    tags: Option<Vec<String>>,
    project: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum By {
    Hybrid,
    Vector,
    Text,
}

pub(super) async fn run(call: &Call, args: Args) -> Result<Reply, Fault> {
    let limit = args.limit.unwrap_or(LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Fault::new(
            Kind::BadInput,
            format!("accept limit: {limit} is not between 1 and {MAX_LIMIT}"),
        ));
    }
    let query = Query {
        text: args.query,
        limit,
        mode: match args.mode {
            Some(By::Vector) => Mode::Vector,
            Some(By::Text) => Mode::Text,
            Some(By::Hybrid) | None => Mode::Hybrid,
        },
        filter: Filter {
            project: Some(call.project(args.project.as_deref())?),
            knowledge_types: args.knowledge_type.into_iter().collect(),
            tags: args.tags.unwrap_or_default(),
            ..Filter::default()
        },
        ranking: Ranking { fold: true, ..Ranking::default() },
    };
    call.known_session(None).await?;
    let answer = call.app().store.query(&query).await?;
    let mut text = String::new();
    if let Some(why) = &answer.degraded {
        text.push_str(&format!("By words alone: {why}\n"));
    }
    if answer.hits.is_empty() {
        text.push_str("Nothing is known about that.");
    }
    let mut hits: Vec<Value> = Vec::with_capacity(answer.hits.len());
    for (place, hit) in (1..).zip(answer.hits.iter()) {
        let entry = &hit.entry;
        let (content, is_cut) = cut(&entry.content);
        let more = if is_cut { " (cut: read the resource for the rest)" } else { "" };
        let location = entry.location().map(|location| location.to_string());
        let stands = location.as_ref().map(|location| format!(" {location}")).unwrap_or_default();
        text.push_str(&format!(
            "{place}. [{} {} {}{stands}] {content}{more}\n",
            entry.content_hash.short(),
            entry.knowledge_type,
            entry.created_at.strftime("%Y-%m-%d")
        ));
        hits.push(json!({
            "content_hash": entry.content_hash, "content": content, "cut": is_cut, "type": entry.knowledge_type,
            "tags": entry.tags, "project": entry.project, "similarity": hit.similarity, "text_score": hit.text_score,
            "score": hit.score, "source_session": entry.source_session, "created_at": entry.created_at,
            "location": location, "folded": hit.folded,
        }));
    }
    Ok(Reply::new(
        text.trim_end(),
        json!({ "hits": hits, "mode": answer.mode, "cached": answer.cached, "degraded": answer.degraded }),
    ))
}

fn cut(content: &str) -> (&str, bool) {
    match content.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => (&content[..end], true),
        None => (content, false),
    }
}

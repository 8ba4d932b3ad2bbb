//! What agents know.

use agent_turbo_knowledge::{EntryRef, Filter, Mode, Near, NewEntry, Outcome, Patch, Query, Ranking};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Body, Id, Params, json, ok};
use super::page::{InProject, Page, Range};
use super::problem::{Problem, Problems};
use super::schema;
use super::state::{Shared, State};
use crate::caller::Caller;
use crate::fault::Fault;

/// Entries of one request.
const MAX_BATCH: usize = 1000;

/// A text to be known.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKnowledge {
    /// The text.
    content: String,
    /// Where it belongs; the usual project, when left out.
    project: Option<String>,
    /// `general`, when left out.
    knowledge_type: Option<String>,
    /// Any sorting of one's own.
    category: Option<String>,
    /// Any labels.
    #[serde(default)]
    tags: Vec<String>,
    /// Whatever else there is to note.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// The session that it comes from.
    source_session: Option<String>,
    /// The platform of the agent that it comes from.
    source_agent_platform: Option<String>,
    /// From when on it is not found any more; for good, when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Hashes of entries whose place it takes, or enough of their beginnings.
    #[serde(default)]
    supersedes: Vec<String>,
    /// Whether it is not found before somebody approves it.
    #[serde(default)]
    untrusted: bool,
    /// Whether entries that say nearly the same are reported.
    #[serde(default)]
    near_duplicates: bool,
    /// Whether it becomes the next version of the entry that says nearly the same, if there is one.
    #[serde(default)]
    merge: bool,
}

/// Texts to be known.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKnowledgeBatch {
    /// Up to 1,000 texts.
    #[schema(max_items = 1000)]
    entries: Vec<NewKnowledge>,
}

/// What became of the texts, in the order given.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchResult {
    results: Vec<OneResult>,
}

/// What became of one text: one of both members is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneResult {
    /// It is known now.
    #[schema(value_type = Option<schema::Added>, required = true)]
    added: Option<agent_turbo_knowledge::Added>,
    /// It cannot be.
    #[schema(required = true)]
    problem: Option<Problem>,
}

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// What is asked for, in words.
    text: String,
    /// Results at the most [default: 10].
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// How to look [default: hybrid].
    #[serde(default, deserialize_with = "mode")]
    #[schema(value_type = Option<schema::Mode>)]
    mode: Option<Mode>,
    /// The project; the usual one, when left out, and all of them for `*`.
    project: Option<String>,
    /// One of these types.
    #[serde(default)]
    knowledge_types: Vec<String>,
    /// This category.
    category: Option<String>,
    /// All of these labels.
    #[serde(default)]
    tags: Vec<String>,
    /// Metadata that holds these members.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// How results are put in order.
    #[serde(default)]
    #[schema(value_type = Option<schema::Ranking>)]
    ranking: Ranking,
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The project; the usual one, when left out, and all of them for `*`.
    project: Option<String>,
    /// Of one of these types.
    #[serde(default)]
    knowledge_type: Vec<String>,
    /// Of this category.
    category: Option<String>,
    /// With all of these labels.
    #[serde(default)]
    tag: Vec<String>,
    /// In this state: current, quarantined, superseded, expired, or all of them [default: current].
    state: Option<String>,
    /// Entries at the most [default: 100].
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What is to be different; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KnowledgePatch {
    /// The project; the usual one, when left out.
    project: Option<String>,
    /// A new text: it is embedded anew.
    content: Option<String>,
    /// A new type.
    knowledge_type: Option<String>,
    /// A new category; null for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "a member that is null is not one that is left out")]
    category: Option<Option<String>>,
    /// New labels instead of the old ones.
    tags: Option<Vec<String>>,
    /// Members to be set in the metadata; one that is null is removed.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// Another time from which on it is not found any more; null for never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    #[expect(clippy::option_option, reason = "a member that is null is not one that is left out")]
    expires_at: Option<Option<Timestamp>>,
}

/// An answer to a question, as it is sent.
#[derive(Serialize)]
struct Answered<'a> {
    results: &'a [agent_turbo_knowledge::Hit],
    cached: bool,
    mode: Mode,
    degraded: Option<String>,
}

/// A member that is null is given, too.
#[expect(clippy::option_option, reason = "a member that is null is not one that is left out")]
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Mode>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    name.map(|name| name.parse().map_err(serde::de::Error::custom)).transpose()
}

impl NewKnowledge {
    fn entry(self, shared: &Shared, caller: &Caller) -> Result<NewEntry, Problem> {
        Ok(NewEntry {
            content: self.content,
            project: shared.project(caller, self.project)?.parse()?,
            knowledge_type: self.knowledge_type,
            category: self.category,
            tags: self.tags,
            metadata: self.metadata,
            source_session: self.source_session,
            source_agent_platform: self.source_agent_platform,
            expires_at: self.expires_at,
            supersedes: self.supersedes.iter().map(|hash| hash.parse()).collect::<Result<_, _>>()?,
            quarantine: self.untrusted,
            near: match (self.merge, self.near_duplicates) {
                (true, _) => Near::Merged,
                (false, true) => Near::Reported,
                (false, false) => Near::Unasked,
            },
            ..NewEntry::default()
        })
    }
}

fn unknown() -> Problem {
    Problem::not_found("failed to find the entry")
}

/// Keeps a text.
#[utoipa::path(
    post, path = "/knowledge", tag = "knowledge", request_body = NewKnowledge,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")),
    responses(
        Problems,
        (status = 201, description = "It is new.", body = schema::Added),
        (status = 200, description = "The project had this text already, or it was merged.", body = schema::Added)
    )
)]
pub(super) async fn add(
    axum::extract::State(shared): State,
    caller: Caller,
    Body(new): Body<NewKnowledge>,
) -> Result<Response, Problem> {
    let added = shared.app.store.add(new.entry(&shared, &caller)?).await?;
    let status = if added.outcome == Outcome::Added { StatusCode::CREATED } else { StatusCode::OK };
    json(status, &added)
}

/// Keeps many texts; each succeeds or fails by itself.
#[utoipa::path(
    post, path = "/knowledge/batch", tag = "knowledge", request_body = NewKnowledgeBatch,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")),
    responses(Problems, (status = 200, description = "What became of each.", body = BatchResult))
)]
pub(super) async fn add_batch(
    axum::extract::State(shared): State,
    caller: Caller,
    Body(batch): Body<NewKnowledgeBatch>,
) -> Result<Response, Problem> {
    if batch.entries.len() > MAX_BATCH {
        let why = format!("{} are more than {MAX_BATCH}", batch.entries.len());
        return Err(Fault::bad_input("the entries", why).into());
    }
    let entries = batch.entries.into_iter().map(|new| new.entry(&shared, &caller));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let results = shared.app.store.add_batch(entries).await?.into_iter().map(|result| match result {
        Ok(added) => OneResult { added: Some(added), problem: None },
        Err(error) => OneResult { added: None, problem: Some(error.into()) },
    });
    ok(&BatchResult { results: results.collect() })
}

/// Finds entries by meaning and by words.
#[utoipa::path(
    post, path = "/knowledge/query", tag = "knowledge", request_body = Question,
    responses(Problems, (status = 200, description = "What was found.", body = schema::Answer))
)]
pub(super) async fn query(
    axum::extract::State(shared): State,
    caller: Caller,
    Body(asked): Body<Question>,
) -> Result<Response, Problem> {
    let project = shared.project_or_all(&caller, asked.project)?;
    let answer = shared
        .app
        .store
        .query(&Query {
            text: asked.text,
            limit: asked.limit.unwrap_or(10),
            mode: asked.mode.unwrap_or_default(),
            filter: Filter {
                project: project.map(|project| project.parse()).transpose()?,
                knowledge_types: asked.knowledge_types,
                category: asked.category,
                tags: asked.tags,
                metadata: asked.metadata,
                ..Filter::default()
            },
            ranking: asked.ranking,
        })
        .await?;
    ok(&Answered {
        results: &answer.hits,
        cached: answer.cached,
        mode: answer.mode,
        degraded: answer.degraded,
    })
}

/// Entries, newest first.
#[utoipa::path(
    get, path = "/knowledge", tag = "knowledge", params(Which),
    responses(Problems, (status = 200, description = "A page.", body = schema::EntryPage))
)]
pub(super) async fn list(
    axum::extract::State(shared): State,
    caller: Caller,
    Params(which): Params<Which>,
) -> Result<Response, Problem> {
    let range = Range::new(which.limit, which.cursor.as_deref())?;
    let project = shared.project_or_all(&caller, which.project)?;
    let filter = Filter {
        project: project.map(|project| project.parse()).transpose()?,
        knowledge_types: which.knowledge_type,
        category: which.category,
        tags: which.tag,
        metadata: Map::new(),
        states: which.state.as_deref().unwrap_or("current").parse()?,
    };
    let page = shared.app.store.list(&filter, range.limit, range.before).await?;
    ok(&Page::new(page.entries, page.next))
}

/// What a project holds, counted.
#[utoipa::path(
    get, path = "/knowledge/stats", tag = "knowledge", params(InProject),
    responses(Problems, (status = 200, description = "Counts.", body = schema::KnowledgeStats))
)]
pub(super) async fn stats(
    axum::extract::State(shared): State,
    caller: Caller,
    Params(of): Params<InProject>,
) -> Result<Response, Problem> {
    let project = shared.project_or_all(&caller, of.project)?;
    let project = project.map(|project| project.parse()).transpose()?;
    ok(&shared.app.store.stats(project.as_ref()).await?)
}

/// One entry, by its hash or the first 4 digits of it or more.
#[utoipa::path(
    get, path = "/knowledge/{hash}", tag = "knowledge", params(("hash" = String, Path), InProject),
    responses(Problems, (status = 200, description = "The entry.", body = schema::Entry))
)]
pub(super) async fn get(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(entry): Id<EntryRef>,
    Params(of): Params<InProject>,
) -> Result<Response, Problem> {
    let project = shared.project(&caller, of.project)?.parse()?;
    ok(&shared.app.store.get(&project, &entry).await?.ok_or_else(unknown)?)
}

/// Changes an entry.
#[utoipa::path(
    patch, path = "/knowledge/{hash}", tag = "knowledge", request_body = KnowledgePatch,
    params(
        ("hash" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "The entry as it is now.", body = schema::Entry))
)]
pub(super) async fn update(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(entry): Id<EntryRef>,
    Body(patch): Body<KnowledgePatch>,
) -> Result<Response, Problem> {
    let project = shared.project(&caller, patch.project)?.parse()?;
    let patch = Patch {
        content: patch.content,
        knowledge_type: patch.knowledge_type,
        category: patch.category,
        tags: patch.tags,
        metadata: patch.metadata,
        expires_at: patch.expires_at,
    };
    ok(&shared.app.store.update(&project, &entry, patch).await?.ok_or_else(unknown)?)
}

/// Removes an entry.
#[utoipa::path(
    delete, path = "/knowledge/{hash}", tag = "knowledge",
    params(
        ("hash" = String, Path), InProject,
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "What it was.", body = schema::Entry))
)]
pub(super) async fn delete(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(entry): Id<EntryRef>,
    Params(of): Params<InProject>,
) -> Result<Response, Problem> {
    let project = shared.project(&caller, of.project)?.parse()?;
    ok(&shared.app.store.delete(&project, &entry).await?.ok_or_else(unknown)?)
}

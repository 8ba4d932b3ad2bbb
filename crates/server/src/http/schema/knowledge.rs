use serde_json::Value;
use utoipa::ToSchema;

/// One piece of knowledge.
#[derive(ToSchema)]
pub(in crate::http) struct Entry {
    /// What it is known by within its project.
    content_hash: String,
    /// Where it belongs.
    project: String,
    /// The text.
    content: String,
    /// `general` unless its author said otherwise.
    knowledge_type: String,
    /// Its author's own sorting.
    #[schema(required = true)]
    category: Option<String>,
    /// Its author's labels.
    tags: Vec<String>,
    /// Whatever else its author noted.
    metadata: Value,
    /// The session that it came from.
    #[schema(required = true)]
    source_session: Option<String>,
    /// The platform of the agent that it came from.
    #[schema(required = true)]
    source_agent_platform: Option<String>,
    /// The model of its vector.
    #[schema(required = true)]
    embedding_model: Option<String>,
    /// Tokens, estimated.
    #[schema(required = true)]
    tokens: Option<i32>,
    /// How often it was found by a query.
    access_count: i64,
    /// When it was last found.
    #[schema(format = DateTime, required = true)]
    last_accessed: Option<String>,
    /// When it was added.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its author last changed it.
    #[schema(format = DateTime)]
    updated_at: String,
    /// From when on it is not found any more; null for good.
    #[schema(format = DateTime, required = true)]
    expires_at: Option<String>,
    /// The hash of the entry that took its place.
    #[schema(required = true)]
    superseded_by: Option<String>,
    /// Since when it waits for approval.
    #[schema(format = DateTime, required = true)]
    quarantined_at: Option<String>,
    /// Why it waits.
    #[schema(required = true)]
    quarantine_reason: Option<String>,
    /// The row.
    id: i64,
}

/// An entry that was found.
#[derive(ToSchema)]
pub(in crate::http) struct Hit {
    /// What it is known by within its project.
    content_hash: String,
    /// Where it belongs.
    project: String,
    /// The text.
    content: String,
    /// `general` unless its author said otherwise.
    knowledge_type: String,
    /// Its author's own sorting.
    #[schema(required = true)]
    category: Option<String>,
    /// Its author's labels.
    tags: Vec<String>,
    /// Whatever else its author noted.
    metadata: Value,
    /// The session that it came from.
    #[schema(required = true)]
    source_session: Option<String>,
    /// The platform of the agent that it came from.
    #[schema(required = true)]
    source_agent_platform: Option<String>,
    /// The model of its vector.
    #[schema(required = true)]
    embedding_model: Option<String>,
    /// Tokens, estimated.
    #[schema(required = true)]
    tokens: Option<i32>,
    /// How often it was found by a query.
    access_count: i64,
    /// When it was last found.
    #[schema(format = DateTime, required = true)]
    last_accessed: Option<String>,
    /// When it was added.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its author last changed it.
    #[schema(format = DateTime)]
    updated_at: String,
    /// From when on it is not found any more; null for good.
    #[schema(format = DateTime, required = true)]
    expires_at: Option<String>,
    /// The hash of the entry that took its place.
    #[schema(required = true)]
    superseded_by: Option<String>,
    /// Since when it waits for approval.
    #[schema(format = DateTime, required = true)]
    quarantined_at: Option<String>,
    /// Why it waits.
    #[schema(required = true)]
    quarantine_reason: Option<String>,
    /// The row.
    id: i64,
    /// Cosine of question and text, −1 to 1.
    #[schema(required = true)]
    similarity: Option<f32>,
    /// BM25 of question and text.
    #[schema(required = true)]
    text_score: Option<f32>,
    /// What the order is made by; comparable within one answer only.
    score: f32,
    /// Entries with nearly the same words, which were found as well.
    folded: Option<Vec<String>>,
    /// Why it was found.
    why: Option<FoundWhy>,
}

/// Why an entry was found, and what its score is made of.
#[derive(ToSchema)]
pub(in crate::http) struct FoundWhy {
    /// The question's words that stand in the entry, the weightiest first.
    words: Vec<Match>,
    /// By how many standard deviations its similarity is above the candidates' mean; hybrid mode only.
    #[schema(required = true)]
    similarity_deviations: Option<f32>,
    /// The same of its text score.
    #[schema(required = true)]
    text_deviations: Option<f32>,
    /// What its age added to the score.
    #[schema(required = true)]
    recency: Option<f32>,
    /// What its usage added to the score.
    #[schema(required = true)]
    usage: Option<f32>,
}

/// A word of the question in an entry.
#[derive(ToSchema)]
pub(in crate::http) struct Match {
    /// The lexeme.
    word: String,
    /// How often it stands in the entry.
    #[schema(maximum = 255)]
    times: u8,
    /// In how many entries of the project it stands.
    entries: i64,
    /// Its share of the text score.
    score: f32,
}

/// How results are put in order, and which of them are left out.
#[derive(ToSchema)]
pub(in crate::http) struct Ranking {
    /// Only entries whose cosine to the question is at least so much.
    #[schema(minimum = -1.0, maximum = 1.0)]
    min_similarity: Option<f32>,
    /// Newer entries are preferred: the gain is halved after so many days.
    recency_half_life_days: Option<u32>,
    /// Entries that were found often are preferred.
    usage: Option<bool>,
    /// Entries that share nearly all words with a better one are told with that one.
    fold: Option<bool>,
    /// How much results are to differ from each other: maximal marginal relevance.
    #[schema(minimum = 0.0, maximum = 1.0)]
    diversity: Option<f32>,
    /// Whether hits tell why they were found.
    explain: Option<bool>,
}

/// How entries are found.
#[derive(ToSchema)]
pub(in crate::http) enum Mode {
    #[schema(rename = "vector")]
    Vector,
    #[schema(rename = "text")]
    Text,
    #[schema(rename = "hybrid")]
    Hybrid,
}

/// Whether an entry is new.
#[derive(ToSchema)]
pub(in crate::http) enum Outcome {
    #[schema(rename = "added")]
    Added,
    #[schema(rename = "duplicate")]
    Duplicate,
    #[schema(rename = "merged")]
    Merged,
}

/// Whether an entry is found, and if not, why.
#[derive(ToSchema)]
pub(in crate::http) enum State {
    #[schema(rename = "current")]
    Current,
    #[schema(rename = "quarantined")]
    Quarantined,
    #[schema(rename = "superseded")]
    Superseded,
    #[schema(rename = "expired")]
    Expired,
}

/// An entry that says nearly the same.
#[derive(ToSchema)]
pub(in crate::http) struct NearDuplicate {
    /// What it is known by.
    content_hash: String,
    /// Cosine of the two texts, −1 to 1.
    similarity: f32,
    /// The beginning of its text.
    headline: String,
}

/// What became of a new entry.
#[derive(ToSchema)]
pub(in crate::http) struct Added {
    /// What it is known by.
    content_hash: String,
    /// Where it is.
    project: String,
    /// Whether it is new.
    outcome: Outcome,
    /// Kinds of secrets that were replaced before storing.
    redacted: Vec<String>,
    /// Whether the text is longer than the model reads.
    truncated: bool,
    /// Whether the entry is found.
    state: State,
    /// Hashes of the entries whose place it took.
    superseded: Vec<String>,
    /// Entries that say nearly the same, where that was asked for.
    near_duplicates: Vec<NearDuplicate>,
    /// The hash that the entry had into which this one was merged.
    #[schema(required = true)]
    merged: Option<String>,
}

/// What was found.
#[derive(ToSchema)]
pub(in crate::http) struct Answer {
    /// The best first.
    results: Vec<Hit>,
    /// Whether it came from memory.
    cached: bool,
    /// How it was really looked for.
    mode: Mode,
    /// Why `mode` is not what was asked for.
    #[schema(required = true)]
    degraded: Option<String>,
}

/// Some entries, newest first.
#[derive(ToSchema)]
pub(in crate::http) struct EntryPage {
    /// The entries.
    items: Vec<Entry>,
    /// The cursor of the next page; null at the end.
    #[schema(required = true)]
    next: Option<String>,
}

/// A name and how many entries have it.
#[derive(ToSchema)]
pub(in crate::http) struct Count {
    /// The name.
    name: String,
    /// The entries.
    entries: i64,
}

/// What a project holds.
#[derive(ToSchema)]
pub(in crate::http) struct KnowledgeStats {
    /// Entries.
    entries: i64,
    /// Those of them that are found.
    current: i64,
    /// Those of them that have a vector.
    embedded: i64,
    /// Tokens of all texts, estimated.
    tokens: i64,
    /// Findings so far.
    accesses: i64,
    /// When the newest was added.
    #[schema(format = DateTime, required = true)]
    newest: Option<String>,
    /// Table and indexes on disk, of all projects.
    disk_bytes: i64,
    /// Entries by project.
    projects: Vec<Count>,
    /// Entries by type.
    knowledge_types: Vec<Count>,
    /// Vectors by model.
    models: Vec<Count>,
    /// How much of what there is searches find, in the whole store; nothing while no question was measured.
    #[schema(required = true)]
    recall: Option<RecallGauge>,
}

/// Questions that were asked again by looking at everything.
#[derive(ToSchema)]
pub(in crate::http) struct RecallGauge {
    /// Those of the last 1,000 that were measured.
    questions: i64,
    /// The share of the best ten results that were found.
    #[schema(minimum = 0.0, maximum = 1.0)]
    recall_at_10: f64,
    /// When the last one was measured.
    #[schema(format = DateTime)]
    measured_at: String,
}

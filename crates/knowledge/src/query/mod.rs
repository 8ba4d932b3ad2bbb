pub(crate) mod bm25;
pub(crate) mod cache;
mod overlap;
mod rank;
mod ranking;
pub(crate) mod recall;
mod roughly;
mod sql;
mod text;
pub(crate) mod words;

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use agent_turbo_db::types::ToSql;
use agent_turbo_db::{self as db, Row, RowExt};
use agent_turbo_embed::{Embedding, Model};
use jiff::Timestamp;
use pgvector::Vector;
use serde::{Deserialize, Serialize};
use tracing::Span;
use tracing::field::Empty;

use crate::content::{normalise, validate};
use crate::filter::Conditions;
use crate::{ContentHash, Entry, Error, Filter, Result, Store};
use rank::{Candidate, DEPTH, Scale};
pub use ranking::{Match, Ranking, Share, Why};
pub use recall::{Recall, RecallGauge};
use sql::Way;
use words::Words;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// What is asked for, in words.
    pub text: String,
    /// Results at the most, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// How to look.
    pub mode: Mode,
    /// Where to look.
    pub filter: Filter,
    /// How results are put in order.
    pub ranking: Ranking,
}

/// How entries are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By meaning: the cosine of text and question.
    Vector,
    /// By words: BM25 over PostgreSQL's lexemes.
    Text,
    /// By both: the mean of their standardised scores.
    #[default]
    Hybrid,
}

/// Results at the most.
pub const MAX_LIMIT: usize = 1000;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// The best first.
    pub hits: Arc<[Hit]>,
    /// Whether it came from memory.
    pub cached: bool,
    /// How it was really looked for: [`Mode::Text`] when the embedding service could not be used.
    pub mode: Mode,
    /// Why `mode` is not what was asked for.
    pub degraded: Option<String>,
}

/// An entry that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// Cosine of question and text, −1 to 1; `None` where either has no vector.
    pub similarity: Option<f32>,
    /// BM25 of question and text, larger than 0; `None` where no word of the question stands in the text, and in
    /// vector mode.
    pub text_score: Option<f32>,
    /// What the order is made by, larger is better; comparable within one answer only.
    pub score: f32,
    /// Entries with nearly the same words, which were found as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folded: Vec<ContentHash>,
    /// Why it was found, when that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
}

impl Query {
    /// A question to everything, for 10 results in the default mode.
    pub fn new(text: impl Into<String>) -> Self {
        let (mode, filter, ranking) = (Mode::default(), Filter::default(), Ranking::default());
        Self { text: text.into(), limit: 10, mode, filter, ranking }
    }
}

/// Of a question longer than this only the beginning is looked for by words, in characters: a page of text has more words
/// than help.
const MAX_ASKED: usize = 4000;
/// Up to so many entries are compared one by one, and up to so many by their signatures first, where the store has several
/// times as many: an index scan would pass over most of what it sees.
const FEW: i64 = 300;
const SOME: i64 = 40_000;
const SEVERAL: i64 = 4;

/// A question, and what was learned about it before entries are looked at.
struct Asked<'a> {
    query: &'a Query,
    mode: Mode,
    words: Words,
    vector: Option<(Arc<Model>, Vector)>,
    way: Way,
}

/// What is looked at for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// What the indexes say, and as much as keeps a search fast.
    Usual,
    /// Everything: the answer that the usual one is measured against.
    Exact,
}

impl Store {
    /// Finds entries. From memory when it knows the answer and nothing has changed since; otherwise the question's vector
    /// and what is known of its words, at the same time, then candidates, then the best of them. Without an embedding
    /// service, by words alone, and the answer says so.
    #[tracing::instrument(
        name = "knowledge.query", skip_all,
        fields(mode = %query.mode, limit = query.limit, cached = Empty)
    )]
    pub async fn query(&self, query: &Query) -> Result<Answer> {
        if let Some(known) = self.0.results.get(query) {
            // Nothing here waits, and who asks in a loop is not to keep the thread from everybody else.
            tokio::task::consume_budget().await;
            Span::current().record("cached", true);
            self.0.access.found(&known.ids);
            return Ok(Answer { hits: known.hits, cached: true, mode: query.mode, degraded: None });
        }
        let query_as_asked = query;
        let query = self.check(query)?;
        // Taken before anything is read: what changes from here on makes the answer stale.
        let generation = self.0.results.generation(&query);
        let (mut asked, mut degraded) = self.look_into(&query).await?;
        let mut hits = self.search(&asked, Effort::Usual).await?;
        if asked.is_of_another_model(&hits) && self.has_left(&asked).await? {
            (asked, degraded) = self.look_into(&query).await?;
            hits = self.search(&asked, Effort::Usual).await?;
        }
        let hits: Arc<[Hit]> = hits.into();
        let ids: Arc<[i64]> = hits.iter().map(|hit| hit.entry.id).collect();
        self.0.access.found(&ids);
        self.sample_recall(&query, asked.mode);
        if degraded.is_none() {
            self.0.results.put(query_as_asked, generation, Arc::clone(&hits), ids);
        }
        Ok(Answer { hits, cached: false, mode: asked.mode, degraded })
    }

    /// PostgreSQL's plans for finding the candidates of `query`, as `EXPLAIN` prints them.
    #[tracing::instrument(name = "knowledge.explain", skip_all)]
    pub async fn explain(&self, query: &Query) -> Result<String> {
        let query = self.check(query)?;
        let (asked, _) = self.look_into(&query).await?;
        let words = self.by_words(&asked, "EXPLAIN ").await?;
        let meaning = self.by_meaning(&asked, asked.way, "EXPLAIN ").await?;
        let lines = words.iter().chain(&meaning).map(|row| row.column("QUERY PLAN"));
        Ok(lines.collect::<db::Result<Vec<String>>>()?.join("\n"))
    }

    /// The question in the one form that texts have, too, so that its vector is found again; or why it cannot be asked.
    fn check(&self, query: &Query) -> Result<Query> {
        let query = Query { text: normalise(&query.text), ..query.clone() };
        validate("the question", &query.text, self.0.options.max_content_bytes)?;
        check_limit(query.limit)?;
        query.filter.validate()?;
        query.ranking.validate()?;
        if query.mode == Mode::Text && query.ranking.min_similarity.is_some() {
            return Err(Error::bad_input("a least similarity", "text mode knows no similarity"));
        }
        Ok(query)
    }

    /// The question's vector and its words; also why there is no vector, if it had to be done without.
    async fn look_into<'a>(&self, query: &'a Query) -> Result<(Asked<'a>, Option<String>)> {
        let beginning: String = query.text.chars().take(MAX_ASKED).collect();
        let of_database = async {
            let words = self.words_of(&beginning, query.filter.project.as_ref()).await?;
            let entries = if query.filter.is_narrower_than_project() {
                self.count_passing(&query.filter).await?
            } else {
                words.entries
            };
            Ok((words, entries))
        };
        let ((words, entries), (embedding, degraded)) =
            tokio::try_join!(of_database, self.embed_question(query))?;
        let mode = if degraded.is_some() { Mode::Text } else { query.mode };
        let vector = embedding.map(|embedding| {
            let vector = Vector::from(embedding.vector.to_vec());
            (embedding.model, vector)
        });
        let way = if entries.saturating_mul(SEVERAL) >= words.in_store || entries > SOME {
            Way::Index
        } else if entries > FEW {
            Way::Signatures
        } else {
            Way::Each
        };
        Ok((Asked { query, mode, words, vector, way }, degraded))
    }

    /// The question's vector, or why there is none. A question by meaning alone has no other way to be answered.
    async fn embed_question(&self, query: &Query) -> Result<(Option<Embedding>, Option<String>)> {
        if query.mode == Mode::Text {
            return Ok((None, None));
        }
        let mut repeated = false;
        let embedding = loop {
            // A store that another process has filled, or moved, meanwhile has another model by now.
            self.default_model().await?;
            match self.0.embed.embed(&query.text).await.map_err(Error::Embedding) {
                Err(error) if self.follows_model(&error, &mut repeated).await? => {}
                Err(Error::Embedding(error)) => break Err(error),
                embedding => break Ok(embedding?),
            }
        };
        match embedding {
            Ok(embedding) => Ok((Some(embedding), None)),
            Err(error) if query.mode == Mode::Hybrid && error.is_unavailable() => {
                tracing::warn!(%error, "knowledge.query.degraded");
                Ok((None, Some(format!("searched by words alone: failed to {error}"))))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the store has moved on from the model that the question was embedded with.
    async fn has_left(&self, asked: &Asked<'_>) -> Result<bool> {
        self.forget_model();
        let stored = self.default_model().await?;
        Ok(asked.vector.as_ref().is_some_and(|(model, _)| stored.as_ref() != Some(model)))
    }

    async fn search(&self, asked: &Asked<'_>, effort: Effort) -> Result<Vec<Hit>> {
        let limit = asked.query.limit;
        let most = limit.max(DEPTH);
        let way = if effort == Effort::Exact { Way::Each } else { asked.way };
        let by_words = self.best_by_words(asked, effort, most);
        let by_meaning = self.by_meaning(asked, way, "");
        // At the same time where a second connection lies idle; to open one would take longer.
        let ((by_words, bm25), meaning) = if self.0.db.status().idle > 1 {
            tokio::try_join!(by_words, by_meaning)?
        } else {
            (by_words.await?, by_meaning.await?)
        };
        let mut ids = by_words.clone();
        for row in &meaning {
            ids.insert(row.column("id")?);
        }
        let mut candidates = self.candidates(asked, &ids).await?;
        // Scores are measured against as many as by any other way.
        candidates.sort_unstable_by(|a, b| by_similarity(b).total_cmp(&by_similarity(a)));
        let mut seen = 0;
        candidates.retain(|one| {
            seen += 1;
            seen <= most || by_words.contains(&one.entry.id)
        });
        let ranking = &asked.query.ranking;
        let scale =
            Scale { mode: asked.mode, ranking, words: &asked.words, bm25: &bm25, now: Timestamp::now() };
        Ok(rank::rank(candidates, &scale, limit))
    }

    /// The entries whose vectors are nearest to the question's; none in text mode.
    async fn by_meaning(&self, asked: &Asked<'_>, way: Way, prefix: &str) -> Result<Vec<Row>> {
        let Some((model, vector)) = &asked.vector else { return Ok(Vec::new()) };
        let most = asked.query.limit.max(DEPTH) as i64;
        let conditions = asked.query.filter.conditions(3)?;
        let sql = format!("{prefix}{}", sql::by_meaning(model, way, &conditions.sql));
        Ok(self.0.db.query("knowledge_by_meaning", &sql, &conditions.after(&[vector, &most])).await?)
    }

    async fn candidates(&self, asked: &Asked<'_>, ids: &HashSet<i64>) -> Result<Vec<Candidate>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = ids.iter().copied().collect();
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&ids];
        if let Some((_, vector)) = &asked.vector {
            params.push(vector);
        }
        let conditions = asked.query.filter.conditions(params.len() + 1)?;
        let model = asked.vector.as_ref().map(|(model, _)| model.as_ref());
        let sql = sql::entries(model, asked.query.ranking.diversity.is_some(), &conditions.sql);
        let rows = self.0.db.query("knowledge_found", &sql, &conditions.after(&params)).await?;
        Ok(rows.iter().map(candidate).collect::<db::Result<_>>()?)
    }

    /// How many entries pass the filter, as far as it matters.
    async fn count_passing(&self, filter: &Filter) -> Result<i64> {
        let conditions = filter.conditions(2)?;
        let most = SOME + 1;
        let sql = sql::count(&conditions.sql);
        let row = self.0.db.query_opt("knowledge_passing", &sql, &conditions.after(&[&most])).await?;
        Ok(row.as_ref().map_or(Ok(0), |row| row.column("entries"))?)
    }
}

impl Asked<'_> {
    /// Whether what was found suggests that entries are not compared by the question's model any more.
    fn is_of_another_model(&self, hits: &[Hit]) -> bool {
        let Some((model, _)) = &self.vector else { return false };
        let is_other = |hit: &Hit| hit.entry.embedding_model.as_ref().is_some_and(|name| *name != model.name);
        hits.is_empty() || hits.iter().any(is_other)
    }
}

impl Conditions {
    /// All parameters of a statement that has `before` in front of the filter's.
    fn after<'a>(&'a self, before: &[&'a (dyn ToSql + Sync)]) -> Vec<&'a (dyn ToSql + Sync)> {
        let own = self.params.iter().map(|param| &**param as &(dyn ToSql + Sync));
        before.iter().copied().chain(own).collect()
    }
}

fn by_similarity(candidate: &Candidate) -> f32 {
    candidate.similarity.unwrap_or(f32::NEG_INFINITY)
}

pub(crate) fn check_limit(limit: usize) -> Result<i64> {
    match limit {
        1..=MAX_LIMIT => Ok(limit as i64),
        _ => Err(Error::bad_input("the limit", format!("{limit} is not between 1 and {MAX_LIMIT}"))),
    }
}

fn candidate(row: &Row) -> db::Result<Candidate> {
    let vector: Option<Vector> = row.column("embedding")?;
    Ok(Candidate {
        entry: Entry::from_row(row)?,
        frequencies: row.column::<Option<Vec<u8>>>("frequencies")?.unwrap_or_default(),
        similarity: row.column::<Option<f64>>("similarity")?.map(|similarity| similarity as f32),
        vector: vector.map(|vector| vector.to_vec()),
    })
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "vector" => Ok(Self::Vector),
            "text" => Ok(Self::Text),
            "hybrid" => Ok(Self::Hybrid),
            _ => Err(Error::bad_input("the mode", format!("{name:?} is none of vector, text, hybrid"))),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vector => "vector",
            Self::Text => "text",
            Self::Hybrid => "hybrid",
        })
    }
}

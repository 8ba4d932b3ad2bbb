pub(crate) mod cache;
mod rank;
mod sql;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use agent_turbo_db::{self as db, Row, RowExt};
use agent_turbo_embed::Embedding;
use pgvector::Vector;
use serde::{Deserialize, Serialize};
use tracing::Span;
use tracing::field::Empty;

use crate::content::{normalise, validate};
use crate::{Entry, Error, Filter, Result, Store};
use rank::Candidate;

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
}

/// How entries are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By meaning: the cosine of text and question.
    Vector,
    /// By words: PostgreSQL's full-text search.
    Text,
    /// By both.
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
    /// PostgreSQL's `ts_rank`; `None` where no word matches.
    pub text_rank: Option<f32>,
    /// What the order is made by, larger is better; comparable within one answer only.
    pub score: f32,
}

impl Query {
    /// A question to everything, for 10 results in the default mode.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), limit: 10, mode: Mode::default(), filter: Filter::default() }
    }
}

impl Store {
    /// Finds entries. From memory when it knows the answer and nothing has changed since; otherwise the question's
    /// vector and one round trip. Without an embedding service, by words alone, and the answer says so.
    #[tracing::instrument(
        name = "knowledge.query", skip_all,
        fields(mode = %query.mode, limit = query.limit, cached = Empty)
    )]
    pub async fn query(&self, query: &Query) -> Result<Answer> {
        if let Some(known) = self.0.results.get(query) {
            Span::current().record("cached", true);
            self.0.access.found(&known.ids);
            return Ok(Answer { hits: known.hits, cached: true, mode: query.mode, degraded: None });
        }
        let asked = self.check(query)?;
        // Taken before anything is read: what changes from here on makes the answer stale.
        let generation = self.0.results.generation(query);
        let (embedding, degraded) = self.embed_question(&asked).await?;
        let mode = if degraded.is_some() { Mode::Text } else { query.mode };
        let hits: Arc<[Hit]> = self.search(&asked, mode, embedding.as_ref()).await?.into();
        let ids: Arc<[i64]> = hits.iter().map(|hit| hit.entry.id).collect();
        self.0.access.found(&ids);
        if degraded.is_none() {
            self.0.results.put(query, generation, Arc::clone(&hits), ids);
        }
        Ok(Answer { hits, cached: false, mode, degraded })
    }

    /// The question in the one form that texts have, too, so that its vector is found again; or why it cannot be asked.
    fn check(&self, query: &Query) -> Result<Query> {
        let query = Query { text: normalise(&query.text), ..query.clone() };
        validate("the question", &query.text, self.0.options.max_content_bytes)?;
        check_limit(query.limit)?;
        query.filter.validate()?;
        Ok(query)
    }

    /// The question's vector, or why there is none. A question by meaning alone has no other way to be answered.
    async fn embed_question(&self, query: &Query) -> Result<(Option<Embedding>, Option<String>)> {
        if query.mode == Mode::Text {
            return Ok((None, None));
        }
        // A store that another process has filled meanwhile has a model by now.
        let embedding = match self.default_model().await {
            Ok(_) => self.0.embed.embed(&query.text).await,
            Err(Error::Embedding(error)) => Err(error),
            Err(error) => return Err(error),
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

    /// PostgreSQL's plan for fetching the candidates of `query`, as `EXPLAIN` prints it.
    #[tracing::instrument(name = "knowledge.explain", skip_all)]
    pub async fn explain(&self, query: &Query) -> Result<String> {
        let query = self.check(query)?;
        let embedding = match query.mode {
            Mode::Text => None,
            Mode::Vector | Mode::Hybrid => Some(self.0.embed.embed(&query.text).await?),
        };
        let rows = self.fetch(&query, query.mode, embedding.as_ref(), "EXPLAIN ").await?;
        let lines: db::Result<Vec<String>> = rows.iter().map(|row| row.column("QUERY PLAN")).collect();
        Ok(lines?.join("\n"))
    }

    async fn search(&self, query: &Query, mode: Mode, embedding: Option<&Embedding>) -> Result<Vec<Hit>> {
        let rows = self.fetch(query, mode, embedding, "").await?;
        let candidates = rows.iter().map(candidate).collect::<db::Result<_>>()?;
        Ok(rank::rank(candidates, mode, query.limit))
    }

    /// One round trip: the statement that fetches candidates, with `prefix` before it.
    async fn fetch(
        &self,
        query: &Query,
        mode: Mode,
        embedding: Option<&Embedding>,
        prefix: &str,
    ) -> Result<Vec<Row>> {
        let model = embedding.map(|embedding| embedding.model.as_ref());
        let vector = embedding.map(|embedding| Vector::from(embedding.vector.to_vec()));
        let words = sql::words(&query.text);
        let candidates = sql::candidates(query.limit);
        let mut params: Vec<&(dyn db::types::ToSql + Sync)> = vec![&candidates];
        if mode != Mode::Vector {
            params.push(&words);
        }
        if let Some(vector) = &vector {
            params.push(vector);
        }
        let conditions = query.filter.conditions(params.len() + 1)?;
        params.extend(conditions.params.iter().map(|param| &**param as &(dyn db::types::ToSql + Sync)));
        let statement = format!("{prefix}{}", sql::statement(mode, model, &conditions.sql));
        Ok(self.0.db.query("query_knowledge", &statement, &params).await?)
    }
}

pub(crate) fn check_limit(limit: usize) -> Result<i64> {
    match limit {
        1..=MAX_LIMIT => Ok(limit as i64),
        _ => Err(Error::bad_input("the limit", format!("{limit} is not between 1 and {MAX_LIMIT}"))),
    }
}

fn candidate(row: &Row) -> db::Result<Candidate> {
    Ok(Candidate {
        entry: Entry::from_row(row)?,
        similarity: row.column::<Option<f64>>("similarity")?.map(|similarity| similarity as f32),
        text_rank: row.column("text_rank")?,
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

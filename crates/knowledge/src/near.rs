//! Entries that say nearly the same as a new one.

use agent_turbo_db::types::ToSql;
use agent_turbo_db::{self as db, RowExt};
use agent_turbo_embed::{Embedding, Model};
use pgvector::Vector;
use serde::Serialize;

use crate::add::Prepared;
use crate::{ContentHash, Filter, Result, Store};

/// What to do about entries that say nearly the same as a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Near {
    /// Nobody looks for them, which costs nothing.
    #[default]
    Unasked,
    /// They are reported beside the new entry.
    Reported,
    /// The new text becomes the next version of the most similar one; where there is none, it is added.
    Merged,
}

/// An entry that says nearly the same as a new one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearDuplicate {
    /// What it is known by.
    pub content_hash: ContentHash,
    /// Cosine of the two texts, −1 to 1.
    pub similarity: f32,
    /// The beginning of its text, on one line.
    pub headline: String,
}

/// Near duplicates that are reported at the most.
const MAX_NEAR: i64 = 5;
/// Characters of a headline.
const HEADLINE: usize = 120;

impl Store {
    /// The entries of the project that are found and nearest to the new one, as far as they are similar enough. One
    /// statement, by the model's index.
    pub(crate) async fn near_duplicates(
        &self,
        prepared: &Prepared,
        embedding: &Embedding,
    ) -> Result<Vec<NearDuplicate>> {
        let vector = Vector::from(embedding.vector.to_vec());
        let hash = prepared.hash.as_str();
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&vector, &hash, &MAX_NEAR];
        let conditions = Filter::project(prepared.entry.project.clone()).conditions(params.len() + 1)?;
        params.extend(conditions.params.iter().map(|param| &**param as &(dyn ToSql + Sync)));
        let rows = self
            .0
            .db
            .query("near_duplicates", &statement(&embedding.model, &conditions.sql), &params)
            .await?;
        let near = rows.iter().map(|row| {
            let beginning: String = row.column("beginning")?;
            let words: Vec<&str> = beginning.split_whitespace().collect();
            Ok(NearDuplicate {
                content_hash: ContentHash::from_row(row.column("content_hash")?),
                similarity: row.column::<f64>("similarity")? as f32,
                headline: words.join(" ").chars().take(HEADLINE).collect(),
            })
        });
        let near: Vec<_> = near.collect::<db::Result<_>>()?;
        let least = prepared.entry.near_similarity.unwrap_or(self.0.options.near_similarity);
        Ok(near.into_iter().filter(|near| near.similarity >= least).collect())
    }
}

/// Name and dimensions are literals, so that the planner sees that the model's partial index serves; the schema admits no
/// quote in a name.
fn statement(model: &Model, filter: &str) -> String {
    let Model { name, dimensions } = model;
    let name = name.replace('\'', "''");
    format!(
        "-- near_duplicates
         WITH nearest AS MATERIALIZED (
             SELECT k.id FROM agent_knowledge AS k
             WHERE k.embedding_model = '{name}' AND k.content_hash <> $2{filter}
             ORDER BY (k.embedding::halfvec({dimensions})) <=> ($1::vector)::halfvec({dimensions}) LIMIT $3
         )
         SELECT k.content_hash, left(k.content, 400) AS beginning, 1 - (k.embedding <=> $1::vector) AS similarity
         FROM nearest JOIN agent_knowledge AS k ON k.id = nearest.id
         ORDER BY similarity DESC, k.id DESC"
    )
}

use agent_turbo_db::RowExt;
use agent_turbo_embed::Model;
use jiff::Timestamp;
use serde::Serialize;

use crate::store::dimensions;
use crate::{Error, Result, Store};

/// A move that is not finished.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reembedding {
    /// The model that the store moves to.
    pub to: Model,
    /// When it began.
    pub started_at: Timestamp,
    /// Entries that have a vector of the new model.
    pub done: i64,
    /// All entries.
    pub entries: i64,
}

impl Store {
    /// The unfinished move, whether somebody works at it or not; `None` when there is none. Reads all entries.
    #[tracing::instrument(name = "knowledge.reembedding", skip_all)]
    pub async fn reembedding(&self) -> Result<Option<Reembedding>> {
        let row = self
            .0
            .db
            .query_opt(
                "reembedding",
                "-- reembedding
                 SELECT r.model, r.dimensions, r.started_at,
                        (SELECT count(*) FROM agent_knowledge) AS entries,
                        (SELECT count(*) FROM agent_knowledge AS k
                         WHERE k.next_embedding IS NOT NULL AND k.next_embedding_model = r.model) AS done
                 FROM knowledge_reembedding AS r",
                &[],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Reembedding {
            to: Model { name: row.column("model")?, dimensions: dimensions(row.column("dimensions")?) },
            started_at: row.column("started_at")?,
            done: row.column("done")?,
            entries: row.column("entries")?,
        }))
    }

    /// Writes down that the store moves to `model`, unless it has written that before; `false` when it is there already.
    pub(super) async fn begin(&self, model: &Model) -> Result<bool> {
        if let Some(under_way) = self.reembedding().await?
            && under_way.to.name != model.name
        {
            return Err(Error::Reembedding { to: model.name.clone(), under_way: under_way.to.name });
        }
        let row = self
            .0
            .db
            .query_opt(
                "begin_reembedding",
                "-- begin_reembedding
                 WITH registered AS (
                     INSERT INTO embedding_models (name, dimensions) VALUES ($1, $2)
                     ON CONFLICT (name) DO NOTHING
                 ), begun AS (
                     INSERT INTO knowledge_reembedding (model, dimensions)
                     SELECT $1, $2
                     WHERE NOT EXISTS (
                         SELECT FROM embedding_models WHERE name = $1 AND (is_default OR dimensions <> $2))
                     ON CONFLICT DO NOTHING
                 )
                 SELECT is_default, dimensions FROM embedding_models WHERE name = $1",
                &[&model.name, &(model.dimensions as i32)],
            )
            .await?;
        // As it was before the statement: no row for a model that is new here.
        let Some(row) = row else { return Ok(true) };
        let known = dimensions(row.column("dimensions")?);
        if known != model.dimensions {
            let why = format!("{} has {known} dimensions here, not {}", model.name, model.dimensions);
            return Err(Error::bad_input("the model", why));
        }
        Ok(!row.column::<bool>("is_default")?)
    }
}

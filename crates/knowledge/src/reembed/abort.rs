use agent_turbo_db::RowExt;

use super::release;
use crate::{Result, Store};

/// Entries that one statement looks at.
const PAGE: i64 = 500;

impl Store {
    /// Ends an unfinished move, and drops all vectors that are beside those of the store's model: those that were collected,
    /// and those of a model that the store has left. How many that were. It may be killed and called again.
    #[tracing::instrument(name = "knowledge.abort_reembedding", skip_all)]
    pub async fn abort_reembedding(&self) -> Result<u64> {
        let lock = self.lock_moves().await?;
        let dropped = self.drop_next().await;
        release(lock).await;
        dropped
    }

    async fn drop_next(&self) -> Result<u64> {
        self.0
            .db
            .execute("end_reembedding", "-- end_reembedding\n DELETE FROM knowledge_reembedding", &[])
            .await?;
        self.drop_indexes().await?;
        let (mut after, mut dropped) = (0, 0);
        loop {
            let row = self
                .0
                .db
                .query_opt(
                    "drop_next",
                    "-- drop_next
                     WITH page AS (
                         SELECT id FROM agent_knowledge WHERE id > $1 ORDER BY id LIMIT $2
                     ), cleared AS (
                         UPDATE agent_knowledge AS k SET next_embedding = NULL, next_embedding_model = NULL
                         FROM page WHERE k.id = page.id AND k.next_embedding_model IS NOT NULL
                         RETURNING k.id
                     )
                     SELECT (SELECT max(id) FROM page) AS last, (SELECT count(*) FROM cleared) AS cleared",
                    &[&after, &PAGE],
                )
                .await?;
            let Some(row) = row else { break };
            dropped += row.column::<i64>("cleared")?.unsigned_abs();
            let Some(last) = row.column::<Option<i64>>("last")? else { break };
            after = last;
        }
        self.0
            .db
            .execute(
                "forget_left_models",
                "-- forget_left_models
                 SELECT forget_embedding_model(name) FROM embedding_models
                 -- Others may have registered a model by themselves; that has an index.
                 WHERE NOT is_default
                     AND (left_at IS NOT NULL OR to_regclass(embedding_index_name(name)) IS NULL)",
                &[],
            )
            .await?;
        Ok(dropped)
    }
}

use std::sync::Arc;

use agent_turbo_embed::{self as embed, Model};

use super::Reembedded;
use super::collect::{BATCH, Columns, Refused, Text, accepted, columns, embed_all};
use crate::{Result, Store};

impl Store {
    /// Embeds entries that have no vector at all: what was written in the moment of the switch, and what other programs have
    /// inserted without one. Looks at all entries.
    pub(super) async fn fill(
        &self,
        service: &embed::Client,
        model: &Arc<Model>,
        moved: &mut Reembedded,
    ) -> Result<()> {
        let (mut after, mut refused) = (0, Refused::default());
        loop {
            let texts = self.read_without_vector(after).await?;
            let Some(last) = texts.last() else { break };
            after = last.id;
            let embeddings = embed_all(service, &texts).await?;
            let rows = accepted(texts, embeddings, &mut refused);
            let Columns { ids, digests, vectors } = columns(&rows);
            moved.embedded += self
                .0
                .db
                .execute(
                    "write_vectors",
                    "-- write_vectors
                     UPDATE agent_knowledge AS k SET embedding = n.embedding, embedding_model = $4
                     FROM unnest($1::bigint[], $2::bytea[], $3::vector[]) AS n (id, digest, embedding)
                     WHERE k.id = n.id AND k.embedding IS NULL
                         AND sha256(convert_to(k.content, 'UTF8')) = n.digest",
                    &[&ids, &digests, &vectors, &model.name],
                )
                .await?;
        }
        refused.none()
    }

    async fn read_without_vector(&self, after: i64) -> Result<Vec<Text>> {
        let rows = self
            .0
            .db
            .query(
                "read_without_vector",
                "-- read_without_vector
                 SELECT id, content_hash, content, sha256(convert_to(content, 'UTF8')) AS digest
                 FROM agent_knowledge WHERE id > $1 AND embedding IS NULL ORDER BY id LIMIT $2",
                &[&after, &BATCH],
            )
            .await?;
        rows.iter().map(Text::from_row).collect()
    }
}

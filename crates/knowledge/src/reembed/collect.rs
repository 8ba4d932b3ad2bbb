use std::pin::pin;
use std::sync::Arc;

use agent_turbo_db::{Row, RowExt};
use agent_turbo_embed::{self as embed, Embedding, Model};
use futures_util::{StreamExt, TryStreamExt, stream};
use pgvector::Vector;

use super::{ReembedProgress, Reembedded, Tally, missing};
use crate::{ContentHash, Error, Result, Store};

/// Texts in one request to the service, and requests under way at once.
pub(super) const BATCH: i64 = 64;
const IN_FLIGHT: usize = 3;

/// A text as it was read.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) id: i64,
    content_hash: ContentHash,
    content: String,
    /// Its SHA-256 by the database: whoever changed it meanwhile is found out when the vector is written.
    digest: Vec<u8>,
}

/// The way of one pass through the store.
struct Pass<'a> {
    store: &'a Store,
    service: &'a embed::Client,
    model: &'a Arc<Model>,
    progress: &'a dyn ReembedProgress,
}

impl Store {
    /// Embeds whatever has no vector of `model`, in passes, until one finds less than a batch or is to stop.
    pub(super) async fn collect(
        &self,
        service: &embed::Client,
        model: &Arc<Model>,
        progress: &dyn ReembedProgress,
        moved: &mut Reembedded,
        tally: &mut Tally,
    ) -> Result<()> {
        while self.pass(service, model, progress, moved, tally).await? >= BATCH as u64
            && !progress.should_stop()
        {}
        Ok(())
    }

    /// One pass in the order of ids; how many texts it found.
    pub(super) async fn pass(
        &self,
        service: &embed::Client,
        model: &Arc<Model>,
        progress: &dyn ReembedProgress,
        moved: &mut Reembedded,
        tally: &mut Tally,
    ) -> Result<u64> {
        progress.entries(tally.done, tally.entries);
        let pass = Pass { store: self, service, model, progress };
        let batches = stream::try_unfold(0, |after| pass.read(after))
            .map_ok(|texts| pass.embed(texts))
            .try_buffered(IN_FLIGHT);
        let mut batches = pin!(batches);
        let (mut found, mut refused) = (0, Refused::default());
        while let Some(batch) = batches.next().await {
            let (texts, embeddings) = batch?;
            found += texts.len() as u64;
            let written = self.write_next(model, &accepted(texts, embeddings, &mut refused)).await?;
            moved.embedded += written;
            tally.done += written;
            progress.entries(tally.done, tally.entries.max(tally.done));
        }
        refused.none()?;
        Ok(found)
    }

    /// Some entries without a vector of `model`, with ids beyond `after`.
    async fn read_missing(&self, model: &Arc<Model>, after: i64) -> Result<Vec<Text>> {
        let sql = format!(
            "-- read_missing
             SELECT id, content_hash, content, sha256(convert_to(content, 'UTF8')) AS digest
             FROM agent_knowledge WHERE id > $1 AND {} ORDER BY id LIMIT $2",
            missing(model)
        );
        let rows = self.0.db.query("read_missing", &sql, &[&after, &BATCH]).await?;
        rows.iter().map(Text::from_row).collect()
    }

    /// Writes vectors beside the old ones, but for texts that were changed meanwhile; how many it wrote.
    async fn write_next(&self, model: &Arc<Model>, rows: &[(Text, Embedding)]) -> Result<u64> {
        let Columns { ids, digests, vectors } = columns(rows);
        let written = self
            .0
            .db
            .execute(
                "write_next",
                "-- write_next
                 UPDATE agent_knowledge AS k SET next_embedding = n.embedding, next_embedding_model = $4
                 FROM unnest($1::bigint[], $2::bytea[], $3::vector[]) AS n (id, digest, embedding)
                 WHERE k.id = n.id AND sha256(convert_to(k.content, 'UTF8')) = n.digest",
                &[&ids, &digests, &vectors, &model.name],
            )
            .await?;
        Ok(written)
    }
}

impl Text {
    pub(super) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.column("id")?,
            content_hash: ContentHash::from_row(row.column("content_hash")?),
            content: row.column("content")?,
            digest: row.column("digest")?,
        })
    }
}

/// Texts and vectors as a statement takes them.
pub(super) struct Columns<'a> {
    pub(super) ids: Vec<i64>,
    pub(super) digests: Vec<&'a [u8]>,
    pub(super) vectors: Vec<Vector>,
}

pub(super) fn columns(rows: &[(Text, Embedding)]) -> Columns<'_> {
    Columns {
        ids: rows.iter().map(|(text, _)| text.id).collect(),
        digests: rows.iter().map(|(text, _)| text.digest.as_slice()).collect(),
        vectors: rows.iter().map(|(_, embedding)| Vector::from(embedding.vector.to_vec())).collect(),
    }
}

/// Those that the service has a vector of; the others go into `refused`.
pub(super) fn accepted(
    texts: Vec<Text>,
    embeddings: Vec<embed::Result<Embedding>>,
    refused: &mut Refused,
) -> Vec<(Text, Embedding)> {
    let mut rows = Vec::with_capacity(texts.len());
    for (text, embedding) in texts.into_iter().zip(embeddings) {
        match embedding {
            Ok(embedding) => rows.push((text, embedding)),
            Err(error) => {
                refused.entries += 1;
                refused.first.get_or_insert((text.content_hash, error));
            }
        }
    }
    rows
}

/// Texts that the service has no vector of.
#[derive(Debug, Default)]
pub(super) struct Refused {
    entries: u64,
    first: Option<(ContentHash, embed::Error)>,
}

impl Refused {
    pub(super) fn none(self) -> Result<()> {
        match self.first {
            Some((entry, source)) => Err(Error::NotEmbedded { entry, refused: self.entries, source }),
            None => Ok(()),
        }
    }
}

type Embedded = (Vec<Text>, Vec<embed::Result<Embedding>>);

impl Pass<'_> {
    async fn read(&self, after: i64) -> Result<Option<(Vec<Text>, i64)>> {
        if self.progress.should_stop() {
            return Ok(None);
        }
        let texts = self.store.read_missing(self.model, after).await?;
        Ok(texts.last().map(|last| last.id).map(|last| (texts, last)))
    }

    async fn embed(&self, texts: Vec<Text>) -> Result<Embedded> {
        let embeddings = embed_all(self.service, &texts).await?;
        Ok((texts, embeddings))
    }
}

pub(super) async fn embed_all(
    service: &embed::Client,
    texts: &[Text],
) -> Result<Vec<embed::Result<Embedding>>> {
    let texts: Vec<&str> = texts.iter().map(|text| text.content.as_str()).collect();
    Ok(service.embed_batch(&texts).await?)
}

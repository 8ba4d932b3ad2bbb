use std::collections::HashMap;

use super::{Added, NewEntry, Outcome, Prepared};
use crate::near::Near;
use crate::{ContentHash, Error, Project, Result, Store};

impl Store {
    /// Stores many entries, in their order; each succeeds or fails by itself. The outer error means that database or
    /// embedding service cannot be used at all; what was stored until then stays, and repeating the call is safe.
    #[tracing::instrument(name = "knowledge.add_batch", skip_all, fields(entries = entries.len()))]
    pub async fn add_batch(&self, entries: Vec<NewEntry>) -> Result<Vec<Result<Added>>> {
        let mut results: Vec<Option<Result<Added>>> = Vec::with_capacity(entries.len());
        let mut prepared = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            match self.prepare(entry) {
                Ok(entry) => {
                    prepared.push((index, entry));
                    results.push(None);
                }
                Err(error) => results.push(Some(Err(error))),
            }
        }
        // What is to be looked at beside the text itself is added alone, in its turn.
        let mut plain = Vec::new();
        for (index, entry) in prepared {
            if entry.entry.near == Near::Unasked && entry.entry.supersedes.is_empty() {
                plain.push((index, entry));
                continue;
            }
            self.add_plain(std::mem::take(&mut plain), &mut results).await?;
            results[index] = Some(match self.add_prepared(entry).await {
                Err(error @ Error::Database(_)) => return Err(error),
                Err(Error::Embedding(error)) if error.is_unavailable() => return Err(error.into()),
                result => result,
            });
        }
        self.add_plain(plain, &mut results).await?;
        Ok(results.into_iter().flatten().collect())
    }

    async fn add_plain(
        &self,
        entries: Vec<(usize, Prepared)>,
        results: &mut [Option<Result<Added>>],
    ) -> Result<()> {
        for chunk in in_chunks(entries) {
            self.add_chunk(chunk, results).await?;
        }
        Ok(())
    }

    async fn add_chunk(
        &self,
        mut chunk: Vec<(usize, Prepared)>,
        results: &mut [Option<Result<Added>>],
    ) -> Result<()> {
        let keys: Vec<_> = chunk.iter().map(|(_, entry)| (&entry.entry.project, &entry.hash)).collect();
        let known = self.known_of(&keys).await?;
        // The first of equal texts is added, the others are its duplicates.
        let mut first: HashMap<(Project, ContentHash), usize> = HashMap::new();
        chunk.retain(|(index, entry)| {
            let key = (entry.entry.project.clone(), entry.hash.clone());
            let state = known.get(&key).copied();
            let is_new = state.is_none() && *first.entry(key).or_insert(*index) == *index;
            if !is_new {
                let done = entry.done(Outcome::Duplicate, false);
                results[*index] = Some(Ok(Added { state: state.unwrap_or(done.state), ..done }));
            }
            is_new
        });
        let mut repeated = false;
        let done = loop {
            match self.embed_and_insert_many(&chunk).await {
                Err(error) if self.follows_model(&error, &mut repeated).await? => {}
                done => break done?,
            }
        };
        for ((index, entry), done) in chunk.iter().zip(done) {
            results[*index] = Some(done.map(|(outcome, truncated)| {
                self.changed(&entry.entry.project);
                entry.done(outcome, truncated)
            }));
        }
        Ok(())
    }

    /// What became of each, in their order, and whether its text is longer than the model reads.
    async fn embed_and_insert_many(
        &self,
        chunk: &[(usize, Prepared)],
    ) -> Result<Vec<Result<(Outcome, bool)>>> {
        self.default_model().await?;
        let texts: Vec<&str> = chunk.iter().map(|(_, entry)| entry.entry.content.as_str()).collect();
        let embeddings = self.0.embed.embed_batch(&texts).await?;
        let rows: Vec<_> = chunk
            .iter()
            .zip(&embeddings)
            .filter_map(|((_, entry), embedding)| Some((entry, embedding.as_ref().ok()?)))
            .collect();
        let mut outcomes = Vec::new();
        if let Some((_, embedding)) = rows.first() {
            self.adopt_model(&embedding.model).await?;
            outcomes = self.insert_many(&rows).await?;
        }
        let mut outcomes = outcomes.into_iter();
        Ok(embeddings
            .into_iter()
            .map(|embedding| {
                let embedding = embedding?;
                // Every embedded text has its row.
                Ok((outcomes.next().unwrap_or(Outcome::Duplicate), embedding.truncated))
            })
            .collect())
    }
}

/// Bounds what one statement carries: in rows and in bytes.
fn in_chunks(entries: Vec<(usize, Prepared)>) -> Vec<Vec<(usize, Prepared)>> {
    const MAX_ROWS: usize = 256;
    const MAX_BYTES: usize = 4 << 20;
    let mut chunks: Vec<Vec<(usize, Prepared)>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let size = entry.1.entry.content.len();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < MAX_ROWS && bytes + size <= MAX_BYTES => {
                bytes += size;
                chunk.push(entry);
            }
            _ => {
                bytes = size;
                chunks.push(vec![entry]);
            }
        }
    }
    chunks
}

use agent_turbo_embed::Embedding;

use super::Candidate;
use crate::{Outcome, Result, Store};

/// A candidate with its vector.
#[derive(Debug)]
pub struct Embedded {
    candidate: Candidate,
    embedding: Embedding,
}

impl Store {
    /// Gets the candidates' vectors, in their order. The outer error means that the service cannot be used at all.
    #[tracing::instrument(name = "knowledge.embed_candidates", skip_all, fields(candidates = candidates.len()))]
    pub async fn embed_candidates(&self, candidates: Vec<Candidate>) -> Result<Vec<Result<Embedded>>> {
        self.default_model().await?;
        let texts: Vec<&str> = candidates.iter().map(Candidate::content).collect();
        let embeddings = self.0.embed.embed_batch(&texts).await?;
        let embedded = candidates
            .into_iter()
            .zip(embeddings)
            .map(|(candidate, embedding)| Ok(Embedded { candidate, embedding: embedding? }));
        Ok(embedded.collect())
    }

    /// Stores candidates in one statement, unless their projects have their texts by now. Repeating it is safe.
    #[tracing::instrument(name = "knowledge.insert_embedded", skip_all, fields(entries = entries.len()))]
    pub async fn insert_embedded(&self, entries: &[Embedded]) -> Result<Vec<Outcome>> {
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        let rows: Vec<_> = entries.iter().map(|entry| (&entry.candidate.0, &entry.embedding)).collect();
        let inserted = match self.adopt_model(&first.embedding.model).await {
            Ok(()) => self.insert_many(&rows).await,
            Err(error) => Err(error),
        };
        let outcomes = match inserted {
            Err(error) if self.follows_model(&error, &mut false).await? => self.insert_anew(entries).await?,
            outcomes => outcomes?,
        };
        for entry in entries {
            self.changed(entry.candidate.project());
        }
        Ok(outcomes)
    }

    /// With vectors of the model that the store has moved to since the candidates were embedded.
    async fn insert_anew(&self, entries: &[Embedded]) -> Result<Vec<Outcome>> {
        let texts: Vec<&str> = entries.iter().map(|entry| entry.candidate.content()).collect();
        let embeddings: Vec<_> =
            self.0.embed.embed_batch(&texts).await?.into_iter().collect::<Result<_, _>>()?;
        let rows: Vec<_> = entries.iter().map(|entry| &entry.candidate.0).zip(&embeddings).collect();
        self.insert_many(&rows).await
    }
}

impl Embedded {
    /// What it was made of.
    pub fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    /// Whether the text is longer than the model reads: then only its beginning is found by meaning.
    pub fn truncated(&self) -> bool {
        self.embedding.truncated
    }
}

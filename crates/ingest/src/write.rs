use std::collections::HashSet;

use agent_turbo_knowledge::{self as knowledge, ChunkPlace, Embedded, NewDocument, Outcome, Project, Store};

use crate::lookup::{Fresh, Key, OnTheWay, Piece, Step};
use crate::read::Fate;
use crate::{Error, Rejected, Report, Result};

/// Texts that the service may refuse before this gives up on it.
const MAX_REFUSED: usize = 10_000;

/// Writes what is embedded, and documents that are complete with it.
pub(crate) struct Writer<'a> {
    pub(crate) store: &'a Store,
    pub(crate) project: &'a Project,
    pub(crate) dry_run: bool,
    pub(crate) on_the_way: OnTheWay,
    pub(crate) report: &'a mut Report,
    /// Places of the document under way.
    pub(crate) places: Vec<ChunkPlace>,
    /// Whether something was stored since the last document was finished.
    pub(crate) is_new: bool,
    /// Texts that the service refused.
    pub(crate) refused: HashSet<Key>,
}

impl Writer<'_> {
    pub(crate) async fn take(&mut self, step: Step) -> Result<()> {
        self.report.documents.unchanged += step.unchanged;
        self.report.chunks.known += step.known;
        step.rejected.into_iter().for_each(|rejected| self.report.reject(rejected));
        if self.dry_run {
            self.report.chunks.embedded += step.fresh.len() as u64;
        } else {
            let begun: Vec<&str> = step.begun.iter().map(String::as_str).collect();
            self.store.begin_documents(self.project, &begun).await?;
        }
        if let Some(embedding) = step.embedding {
            let embedded = embedding.await.map_err(Error::Panicked)??;
            self.insert(step.fresh, embedded).await?;
        }
        for piece in step.pieces {
            match piece {
                Piece::Place(place) => self.places.push(place),
                Piece::End(document, fate) => self.finish(document, fate).await?,
                Piece::Skipped(path, skip) => {
                    self.places.clear();
                    self.report.skip(path, skip);
                }
            }
        }
        Ok(())
    }

    async fn insert(&mut self, fresh: Vec<Fresh>, embedded: Vec<knowledge::Result<Embedded>>) -> Result<()> {
        let mut rows = Vec::with_capacity(embedded.len());
        let mut keys = Vec::with_capacity(embedded.len());
        for (Fresh { key, path, line }, embedded) in fresh.into_iter().zip(embedded) {
            match embedded {
                Ok(embedded) => {
                    rows.push(embedded);
                    keys.push(key);
                }
                Err(error) => {
                    self.on_the_way.keys().remove(&key);
                    self.refused.insert(key);
                    let (path, why) = (path.to_path_buf(), error.to_string());
                    if self.refused.len() >= MAX_REFUSED {
                        return Err(Error::ServiceRefuses(MAX_REFUSED as u64, why));
                    }
                    self.report.reject(Rejected { path, line, why });
                }
            }
        }
        let outcomes = self.store.insert_embedded(&rows).await?;
        for ((key, row), outcome) in keys.into_iter().zip(&rows).zip(outcomes) {
            self.on_the_way.keys().remove(&key);
            match outcome {
                Outcome::Added => {
                    self.is_new = true;
                    self.report.chunks.embedded += 1;
                    self.report.truncated += u64::from(row.truncated());
                    for kind in row.candidate().redacted() {
                        *self.report.redacted.entry((*kind).to_owned()).or_default() += 1;
                    }
                }
                // Somebody was faster, or the answer to a first attempt was lost.
                Outcome::Duplicate | Outcome::Merged => self.report.chunks.known += 1,
            }
        }
        Ok(())
    }

    async fn finish(&mut self, mut document: NewDocument, fate: Fate) -> Result<()> {
        let places = std::mem::take(&mut self.places);
        let counts = &mut self.report.documents;
        match fate {
            Fate::Added => counts.added += 1,
            Fate::Changed => counts.changed += 1,
            Fate::Unchanged => counts.unchanged += 1,
        }
        let is_new = std::mem::take(&mut self.is_new);
        if self.dry_run || (fate == Fate::Unchanged && !is_new) {
            return Ok(());
        }
        let is_refused = |place: &ChunkPlace| {
            !self.refused.is_empty()
                && self.refused.contains(&(self.project.clone(), place.content_hash.clone()))
        };
        if places.iter().any(is_refused) {
            // The next run tries again.
            document.content_hash = None;
        }
        let finished = self.store.finish_document(self.project, &document, &places).await?;
        self.report.chunks.removed += finished.removed;
        tracing::debug!(source = document.source, chunks = finished.chunks, "ingest.finished");
        Ok(())
    }
}

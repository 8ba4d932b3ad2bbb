use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_turbo_documents::Skip;
use agent_turbo_knowledge::{
    self as knowledge, Candidate, ChunkPlace, ContentHash, Embedded, NewDocument, Project, Store,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Rejected;
use crate::read::{Fate, Item, Window};

/// Texts of one request to the embedding service.
const BATCH_TEXTS: usize = 64;
const BATCH_BYTES: usize = 1 << 20;

pub(crate) type Embedding = JoinHandle<knowledge::Result<Vec<knowledge::Result<Embedded>>>>;
pub(crate) type Key = (Project, ContentHash);

/// What comes to the one who writes, in the order of the files.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Documents that are not yet known.
    pub(crate) begun: Vec<String>,
    /// New texts, being embedded; and where they are from, in the same order.
    pub(crate) fresh: Vec<Fresh>,
    pub(crate) embedding: Option<Embedding>,
    /// Texts that the store has, or will have when this is written.
    pub(crate) known: u64,
    /// Places of the documents that are under way, and the ends of these.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) unchanged: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) key: Key,
    pub(crate) path: Arc<std::path::Path>,
    pub(crate) line: u32,
}

#[derive(Debug)]
pub(crate) enum Piece {
    Place(ChunkPlace),
    End(NewDocument, Fate),
    /// A file that is not taken; of what was read of it nothing is placed.
    Skipped(PathBuf, Skip),
}

/// Texts that are being embedded or written.
#[derive(Debug, Clone, Default)]
pub(crate) struct OnTheWay(Arc<Mutex<HashSet<Key>>>);

impl OnTheWay {
    pub(crate) fn keys(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sorts pieces: what the store has, and what is on its way to it, is not embedded again.
pub(crate) struct Lookup {
    pub(crate) store: Store,
    pub(crate) on_the_way: OnTheWay,
    pub(crate) dry_run: bool,
}

impl Lookup {
    pub(crate) async fn run(
        self,
        mut windows: mpsc::Receiver<Window>,
        steps: mpsc::Sender<knowledge::Result<Step>>,
    ) {
        if let Err(Some(error)) = self.sort(&mut windows, &steps).await {
            // The error of who has gone is nobody's business.
            let _ = steps.send(Err(error)).await;
        }
    }

    /// Fails with `None` when nobody takes the steps any more.
    async fn sort(
        &self,
        windows: &mut mpsc::Receiver<Window>,
        steps: &mpsc::Sender<knowledge::Result<Step>>,
    ) -> Result<(), Option<knowledge::Error>> {
        let mut step = Step::default();
        let mut batch: Vec<Candidate> = Vec::new();
        let mut bytes = 0;
        while let Some(window) = windows.recv().await {
            let known = self.known(&window.items).await.map_err(Some)?;
            step.bytes += window.bytes;
            for item in window.items {
                let (path, line, place, candidate) = match item {
                    Item::Chunk { path, line, heading, last_line, is_placed, candidate } => {
                        let content_hash = candidate.content_hash().clone();
                        let place = ChunkPlace { content_hash, heading, first_line: line, last_line };
                        (path, line, is_placed.then_some(place), candidate)
                    }
                    other => {
                        step.take(other);
                        continue;
                    }
                };
                step.pieces.extend(place.map(Piece::Place));
                let key = (candidate.project().clone(), candidate.content_hash().clone());
                if known.contains(&key) || !self.on_the_way.keys().insert(key.clone()) {
                    step.known += 1;
                    continue;
                }
                bytes += candidate.content().len();
                step.fresh.push(Fresh { key, path, line });
                batch.push(*candidate);
                if batch.len() == BATCH_TEXTS || bytes >= BATCH_BYTES {
                    self.send(&mut step, &mut batch, steps).await?;
                    bytes = 0;
                }
            }
            // Where nothing is new, progress is shown all the same.
            if batch.is_empty() {
                self.send(&mut step, &mut batch, steps).await?;
            }
        }
        self.send(&mut step, &mut batch, steps).await
    }

    async fn send(
        &self,
        step: &mut Step,
        batch: &mut Vec<Candidate>,
        steps: &mpsc::Sender<knowledge::Result<Step>>,
    ) -> Result<(), Option<knowledge::Error>> {
        let mut step = std::mem::take(step);
        let batch = std::mem::take(batch);
        if !batch.is_empty() && !self.dry_run {
            let store = self.store.clone();
            step.embedding = Some(tokio::spawn(async move { store.embed_candidates(batch).await }));
        }
        steps.send(Ok(step)).await.map_err(|_| None)
    }

    /// What the store has of a window. What is on its way when this begins is not asked for.
    async fn known(&self, items: &[Item]) -> knowledge::Result<HashSet<Key>> {
        let candidates: Vec<&Candidate> = {
            let on_the_way = self.on_the_way.keys();
            let chunks = items.iter().filter_map(|item| match item {
                Item::Chunk { candidate, .. } => Some(candidate.as_ref()),
                _ => None,
            });
            chunks.filter(|candidate| !on_the_way.contains(&key_of(candidate))).collect()
        };
        if candidates.is_empty() {
            return Ok(HashSet::new());
        }
        let known = self.store.known_candidates(&candidates).await?;
        let known = candidates.iter().zip(known).filter(|(_, known)| *known);
        Ok(known.map(|(candidate, _)| key_of(candidate)).collect())
    }
}

fn key_of(candidate: &Candidate) -> Key {
    (candidate.project().clone(), candidate.content_hash().clone())
}

impl Step {
    fn take(&mut self, item: Item) {
        match item {
            Item::Begun(source) => self.begun.push(source),
            Item::Rejected(rejected) => self.rejected.push(rejected),
            Item::Ended { document, fate } => self.pieces.push(Piece::End(document, fate)),
            Item::Unchanged => self.unchanged += 1,
            Item::Skipped(path, skip) => self.pieces.push(Piece::Skipped(path, skip)),
            // Pieces are sorted before.
            Item::Chunk { .. } => {}
        }
    }
}

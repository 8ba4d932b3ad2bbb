use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_turbo_knowledge::{
    self as knowledge, Candidate, ContentHash, Embedded, Fingerprint, Project, Store,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Fate, Item, Origin, fate_of};
use crate::Result;
use crate::row::Rejection;
use crate::shape::Selected;

/// Texts of one request to the embedding service.
const BATCH_TEXTS: usize = 64;
const BATCH_BYTES: usize = 1 << 20;

pub(super) type Embedding = JoinHandle<knowledge::Result<Vec<knowledge::Result<Embedded>>>>;

/// What comes to the one who writes, in the order of the rows.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Rows that need nothing more.
    pub(super) settled: Vec<(Origin, Fate)>,
    pub(super) rejected: Vec<(Origin, Rejection)>,
    /// New texts, being embedded; and their rows, in the same order.
    pub(super) fresh: Vec<(Origin, ContentHash)>,
    pub(super) embedding: Option<Embedding>,
    /// Rows with the text of one that is on its way before them.
    pub(super) followers: Vec<(Origin, ContentHash)>,
}

/// Hashes of texts that are being embedded or written.
#[derive(Debug, Clone, Default)]
pub(super) struct OnTheWay(Arc<Mutex<HashSet<ContentHash>>>);

impl OnTheWay {
    pub(super) fn hashes(&self) -> MutexGuard<'_, HashSet<ContentHash>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sorts rows: what the target has, and what is on its way to it, is not embedded again.
pub(super) struct Lookup {
    pub(super) store: Store,
    pub(super) project: Project,
    pub(super) source_name: String,
    pub(super) tables: Arc<[Selected]>,
    pub(super) on_the_way: OnTheWay,
}

impl Lookup {
    pub(super) async fn run(
        self,
        mut windows: mpsc::Receiver<Vec<Item>>,
        steps: mpsc::Sender<knowledge::Result<Step>>,
    ) -> mpsc::Receiver<Vec<Item>> {
        if let Err(Some(error)) = self.sort(&mut windows, &steps).await {
            // The error of who has gone is nobody's business.
            let _ = steps.send(Err(error)).await;
        }
        windows
    }

    /// Fails with `None` when nobody takes the steps any more.
    async fn sort(
        &self,
        windows: &mut mpsc::Receiver<Vec<Item>>,
        steps: &mpsc::Sender<knowledge::Result<Step>>,
    ) -> Result<(), Option<knowledge::Error>> {
        let mut step = Step::default();
        let mut batch: Vec<Candidate> = Vec::new();
        let mut bytes = 0;
        while let Some(window) = windows.recv().await {
            let known = self.known(&window).await.map_err(Some)?;
            for Item { origin, entry } in window {
                let candidate = match entry {
                    Ok(candidate) => candidate,
                    Err(rejection) => {
                        step.rejected.push((origin, rejection));
                        continue;
                    }
                };
                let hash = candidate.content_hash();
                if let Some(entry) = known.get(hash) {
                    let table = &self.tables[origin.table].info.name;
                    let fate = fate_of(entry, &self.source_name, table, &origin.row);
                    step.settled.push((origin, fate));
                } else if !self.on_the_way.hashes().insert(hash.clone()) {
                    step.followers.push((origin, hash.clone()));
                } else {
                    bytes += candidate.content().len();
                    step.fresh.push((origin, hash.clone()));
                    batch.push(candidate);
                    if batch.len() == BATCH_TEXTS || bytes >= BATCH_BYTES {
                        self.send(&mut step, &mut batch, steps).await?;
                        bytes = 0;
                    }
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
        if !batch.is_empty() {
            let store = self.store.clone();
            step.embedding = Some(tokio::spawn(async move { store.embed_candidates(batch).await }));
        }
        steps.send(Ok(step)).await.map_err(|_| None)
    }

    /// What the target has of a window. What is on its way when this begins is not asked for: it is followed.
    async fn known(&self, window: &[Item]) -> knowledge::Result<HashMap<ContentHash, Fingerprint>> {
        let hashes: Vec<&ContentHash> = {
            let on_the_way = self.on_the_way.hashes();
            let hashes =
                window.iter().filter_map(|item| item.entry.as_ref().ok()).map(Candidate::content_hash);
            hashes.filter(|hash| !on_the_way.contains(*hash)).collect()
        };
        if hashes.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.store.fingerprints_of(&self.project, &hashes).await?;
        Ok(found.into_iter().map(|entry| (entry.content_hash.clone(), entry)).collect())
    }
}

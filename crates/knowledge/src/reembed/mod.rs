//! Moving the whole store to another model while it is used.
//!
//! New vectors are collected beside the old ones (`collect`), get their index (`index`), and take their place in one
//! transaction of milliseconds (`switch`). All state is in the database, so whoever runs a move again goes on with it.

mod abort;
mod collect;
mod fill;
mod index;
mod state;
mod switch;

use std::sync::Arc;
use std::time::Instant;

use agent_turbo_embed::{self as embed, Model};
use serde::Serialize;

use crate::{Error, NamedLock, Result, Store};
pub use state::Reembedding;

/// What a run of [`Store::reembed`] did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reembedded {
    /// The model that the store has left, or is about to; `None` for one that had no vectors.
    pub from: Option<Model>,
    /// The model that it moves to.
    pub to: Model,
    /// Vectors that this run made.
    pub embedded: u64,
    /// Whether all vectors of the store are of the new model now.
    pub switched: bool,
    /// How long the switch took, others' open transactions included, in milliseconds; everybody else waited meanwhile.
    /// 0 where this run did not switch.
    pub others_waited_ms: f64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Hears of a move while it runs, and may stop it.
pub trait ReembedProgress: Send + Sync {
    /// What is done now.
    fn step(&self, _step: &str) {}
    /// So many of so many entries have a vector of the new model.
    fn entries(&self, _done: u64, _of: u64) {}
    /// Asked between batches: whether to stop after those under way.
    fn should_stop(&self) -> bool {
        false
    }
}

/// How far a move is.
#[derive(Debug, Default)]
struct Tally {
    done: u64,
    entries: u64,
}

/// Nobody listens.
impl ReembedProgress for () {}

/// One move at a time, on all machines.
const LOCK: &str = "reembed";

impl Store {
    /// Moves all entries to the model that `service` serves. Others go on reading and writing; they wait for a moment when
    /// the new vectors take the place of the old ones, all at once. A run that was killed or stopped is gone on with by
    /// calling this again. An entry whose text the service refuses keeps the store where it is.
    #[tracing::instrument(name = "knowledge.reembed", skip_all)]
    pub async fn reembed(
        &self,
        service: &embed::Client,
        progress: &dyn ReembedProgress,
    ) -> Result<Reembedded> {
        let started = Instant::now();
        let lock = self.lock_moves().await?;
        let moved = self.reembed_alone(service, progress).await;
        release(lock).await;
        let mut moved = moved?;
        moved.seconds = started.elapsed().as_secs_f64();
        Ok(moved)
    }

    async fn reembed_alone(
        &self,
        service: &embed::Client,
        progress: &dyn ReembedProgress,
    ) -> Result<Reembedded> {
        let to = service.expect_model(service.health().await?.model())?;
        self.forget_model();
        let from = self.default_model().await?;
        let mut moved = Reembedded {
            from: from.as_deref().cloned(),
            to: to.as_ref().clone(),
            embedded: 0,
            switched: false,
            others_waited_ms: 0.0,
            seconds: 0.0,
        };
        if !self.begin(&to).await? {
            moved.switched = true;
            self.fill(service, &to, &mut moved).await?;
            return Ok(moved);
        }
        progress.step("Looking for what is to be embedded");
        // Counted once, as that reads everything.
        let mut tally = self.reembedding().await?.map_or_else(Tally::default, |state| Tally {
            done: state.done.unsigned_abs(),
            entries: state.entries.unsigned_abs(),
        });
        self.index_missing(&to).await?;
        self.collect(service, &to, progress, &mut moved, &mut tally).await?;
        if progress.should_stop() {
            return Ok(moved);
        }
        progress.step("Building the index of the new vectors");
        self.index_next(&to).await?;
        progress.step("Embedding what was written meanwhile");
        self.switch(service, &to, progress, &mut moved, &mut tally).await?;
        self.forget_model();
        if moved.switched {
            self.fill(service, &to, &mut moved).await?;
        }
        Ok(moved)
    }

    async fn lock_moves(&self) -> Result<NamedLock> {
        self.try_lock(LOCK).await?.ok_or(Error::AlreadyReembedding)
    }
}

async fn release(lock: NamedLock) {
    if let Err(error) = lock.release().await {
        tracing::debug!(%error, "knowledge.reembed.release");
    }
}

/// The condition that an entry is still without a vector of `model`, as the index has it: the name is a literal.
fn missing(model: &Arc<Model>) -> String {
    let name = model.name.replace('\'', "''");
    format!("(next_embedding IS NULL OR next_embedding_model IS DISTINCT FROM '{name}')")
}

use std::collections::HashMap;
use std::time::Instant;

use agent_turbo_knowledge::{ContentHash, Filter, Hit, Mode, Query, Ranking, Store};
use anyhow::{Context as _, Result, anyhow};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::bar::Bar;
use super::collection::Collection;
use super::scratch::{Filled, Scratch};

/// How queries are asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    /// Results of each at the most.
    pub(super) limit: usize,
    /// Queries under way at once.
    pub(super) concurrency: usize,
}

/// What one query was answered.
#[derive(Debug, PartialEq)]
pub(super) struct Answered {
    /// The best first, no document twice.
    pub(super) ranking: Vec<Ranked>,
    /// What the whole question took, its embedding included, in milliseconds.
    pub(super) latency_ms: f64,
}

/// A document that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranked {
    /// Its place in the collection.
    pub(super) document: usize,
    /// The store's own score.
    pub(super) score: f32,
}

impl Asking {
    /// Asks every query of the collection, each in its scope; answers in their order.
    pub(super) async fn ask(
        self,
        store: &Store,
        mode: Mode,
        collection: &Collection,
        scratch: &Scratch,
        filled: &Filled,
        bar: &Bar,
    ) -> Result<Vec<Answered>> {
        bar.step(&format!("asking, {mode}"), collection.queries.len());
        let answers = collection.queries.iter().map(|query| async move {
            let scope = collection.place_of(query.scope.as_deref());
            let question = Query {
                text: query.text.clone(),
                limit: self.limit,
                mode,
                filter: Filter { project: Some(scratch.project(scope).clone()), ..Filter::default() },
                // What stands for several documents is no matter of the ranking, so nothing is folded.
                ranking: Ranking::default(),
            };
            let started = Instant::now();
            let answer = store.query(&question).await;
            let latency_ms = started.elapsed().as_secs_f64() * 1000.0;
            let what = || format!("ask the query {:?} in the mode {mode}", query.id);
            let answer = answer.with_context(what)?;
            // By words alone would be another mode's figures. A question by meaning alone has no other way out.
            if let Some(why) = answer.degraded {
                store.query(&Query { mode: Mode::Vector, ..question }).await.with_context(what)?;
                return Err(anyhow!(why).context(what()));
            }
            let ranking = expand(&answer.hits, &filled.stands_for[scope], self.limit)?;
            bar.done(1);
            Ok(Answered { ranking, latency_ms })
        });
        stream::iter(answers).buffered(self.concurrency).try_collect().await
    }
}

/// The documents that the entries stand for: where an entry stands for several, these follow each other at its place.
fn expand(hits: &[Hit], stands_for: &HashMap<ContentHash, Vec<usize>>, limit: usize) -> Result<Vec<Ranked>> {
    let mut ranking = Vec::with_capacity(limit.min(hits.len()));
    for hit in hits {
        let hash = &hit.entry.content_hash;
        let documents = stands_for.get(hash);
        let documents = documents.ok_or_else(|| {
            anyhow!("search the documents alone: somebody else added {hash} to their project")
        })?;
        ranking.extend(documents.iter().map(|&document| Ranked { document, score: hit.score }));
    }
    ranking.truncate(limit);
    Ok(ranking)
}

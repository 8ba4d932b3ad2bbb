//! Answers in memory, valid only while nothing in their project has changed.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agent_turbo_db::{Database, Event, Listener};
use jiff::Timestamp;
use moka::sync::Cache;

use super::{Hit, Query};
use crate::filter::States;
use crate::store::KnownModel;

/// Where the triggers of `agent_knowledge` announce a change; the payload is the project.
const CHANNEL: &str = "agent_turbo_knowledge";
/// Projects share counters; two that share one only forget a little more often.
const COUNTERS: usize = 256;

#[derive(Debug)]
pub(crate) struct ResultCache(Option<Live>);

#[derive(Debug)]
struct Live {
    answers: Cache<Query, Known>,
    changes: Arc<Changes>,
    listener: Listener,
}

/// An answer, and when it was true.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) hits: Arc<[Hit]>,
    pub(crate) ids: Arc<[i64]>,
    generation: u64,
    /// When the first of its entries expires: nobody announces that.
    until: Option<Timestamp>,
}

/// Counts changes, by project and of all.
#[derive(Debug)]
struct Changes {
    projects: [AtomicU64; COUNTERS],
    everything: AtomicU64,
}

impl ResultCache {
    /// Listens for changes from now on; with 0 bytes it is off and costs nothing.
    /// A change of everything may be one of the `model`.
    pub(crate) fn start(db: &Database, max_bytes: u64, model: Arc<KnownModel>) -> Self {
        if max_bytes == 0 {
            return Self(None);
        }
        let answers = Cache::builder().max_capacity(max_bytes).weigher(weight).build();
        let changes = Arc::new(Changes::new());
        let heard = Arc::clone(&changes);
        let listener = db.listen(&[CHANNEL], move |event| match event {
            Event::Notification { payload, .. } if !payload.is_empty() => heard.in_project(&payload),
            // A listener that begins, or stops, has missed something, or will.
            Event::Notification { .. } | Event::Live | Event::Lost => {
                model.forget();
                heard.anywhere();
            }
        });
        Self(Some(Live { answers, changes, listener }))
    }

    pub(crate) fn is_live(&self) -> bool {
        self.0.as_ref().is_some_and(|live| live.listener.is_live())
    }

    pub(crate) fn get(&self, query: &Query) -> Option<Known> {
        let live = self.0.as_ref().filter(|live| live.listener.is_live())?;
        let known = live.answers.get(query)?;
        let holds = known.until.is_none_or(|until| Timestamp::now() < until);
        (holds && known.generation == live.changes.generation(query)).then_some(known)
    }

    /// What [`put`](Self::put) needs to know of the time before the search.
    pub(crate) fn generation(&self, query: &Query) -> Option<u64> {
        let live = self.0.as_ref().filter(|live| live.listener.is_live())?;
        Some(live.changes.generation(query))
    }

    pub(crate) fn put(&self, query: &Query, generation: Option<u64>, hits: Arc<[Hit]>, ids: Arc<[i64]>) {
        if query.filter.states.grow_with_time() {
            return;
        }
        if let (Some(live), Some(generation)) = (&self.0, generation) {
            let until = hits.iter().filter_map(|hit| hit.entry.expires_at).min();
            // Where expired entries are asked for as well, their time changes nothing.
            let until = until.filter(|_| query.filter.states == States::Current);
            live.answers.insert(query.clone(), Known { hits, ids, generation, until });
        }
    }

    pub(crate) fn invalidate(&self, project: &str) {
        if let Some(live) = &self.0 {
            live.changes.in_project(project);
        }
    }
}

impl Changes {
    fn new() -> Self {
        Self { projects: [const { AtomicU64::new(0) }; COUNTERS], everything: AtomicU64::new(0) }
    }

    fn counter(&self, project: &str) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        project.hash(&mut hasher);
        &self.projects[hasher.finish() as usize % COUNTERS]
    }

    fn in_project(&self, project: &str) {
        self.counter(project).fetch_add(1, Ordering::AcqRel);
        self.everything.fetch_add(1, Ordering::AcqRel);
    }

    fn anywhere(&self) {
        for counter in &self.projects {
            counter.fetch_add(1, Ordering::AcqRel);
        }
        self.everything.fetch_add(1, Ordering::AcqRel);
    }

    /// Differs whenever something that `query` could find has changed.
    fn generation(&self, query: &Query) -> u64 {
        match &query.filter.project {
            Some(project) => self.counter(project.as_str()).load(Ordering::Acquire),
            None => self.everything.load(Ordering::Acquire),
        }
    }
}

/// Bytes that an answer takes, roughly.
fn weight(query: &Query, known: &Known) -> u32 {
    let hits: usize = known.hits.iter().map(|hit| hit.entry.content.len() + 600).sum();
    u32::try_from(query.text.len() + hits + 400).unwrap_or(u32::MAX)
}

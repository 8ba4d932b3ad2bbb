//! Landing contexts in memory. One is given out without asking the database only while every change since it was found
//! to be right would have been heard of (docs/adr/0006).

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use agent_turbo_db::{Database, Event, Listener};
use moka::sync::Cache;
use tokio::sync::Notify;

use super::changes::{CHANNELS, Changes};
use super::watch::Watch;
use super::{ContextScope, LandingContext, stored};
use crate::Orchestrator;

/// Scopes that are remembered.
const MAX_SCOPES: u64 = 256;
/// How often hits are written, and the watch is looked after.
const TEND_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct ContextCache {
    entries: Cache<ContextScope, Arc<Entry>>,
    changes: Arc<Changes>,
    watch: Watch,
    listener: OnceLock<Listener>,
    /// Whether a context was asked for at all: a process that asks once has no use for a memory.
    asked_once: AtomicBool,
    /// Whether one was asked for since the watch was last looked after.
    asked: AtomicBool,
    wake: Arc<Notify>,
}

#[derive(Debug)]
struct Entry {
    context: Arc<LandingContext>,
    found: Found,
    hits: Arc<AtomicU64>,
}

/// When a context was right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// What had been heard of before it was looked at; `None` when nobody listened.
    pub(super) generation: Option<u64>,
    /// All transactions with smaller ids had ended by then.
    pub(super) xmin: u64,
    /// From when on it is not to be used.
    pub(super) expires: Instant,
}

impl ContextCache {
    pub(crate) fn new() -> Self {
        Self {
            entries: Cache::new(MAX_SCOPES),
            changes: Arc::new(Changes::new()),
            watch: Watch::default(),
            listener: OnceLock::new(),
            asked_once: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            wake: Arc::default(),
        }
    }

    /// The context, if it is sure to be as the database would give it now.
    pub(super) fn get(&self, scope: &ContextScope) -> Option<Arc<LandingContext>> {
        self.listener.get().filter(|listener| listener.is_live())?;
        let armed = self.watch.armed()?;
        let entry = self.entries.get(scope)?;
        let now = Instant::now();
        let is_heard = now < armed.until
            && armed.connection == self.changes.connection()
            && armed.barrier <= entry.found.xmin
            && entry.found.generation == Some(self.changes.generation(&scope.project));
        if !is_heard || now >= entry.found.expires {
            return None;
        }
        self.asked.store(true, Ordering::Relaxed);
        entry.hits.fetch_add(1, Ordering::Relaxed);
        Some(Arc::clone(&entry.context))
    }

    /// What has been heard of up to now, for [`Found`]; from the second time on, somebody listens.
    pub(super) fn listen(self: &Arc<Self>, db: &Database, scope: &ContextScope) -> Option<u64> {
        if !self.asked_once.swap(true, Ordering::Relaxed) {
            return None;
        }
        self.asked.store(true, Ordering::Relaxed);
        let listener = self.listener.get_or_init(|| {
            tokio::spawn(tend(Arc::downgrade(self), db.clone(), Arc::clone(&self.wake)));
            let (changes, wake) = (Arc::clone(&self.changes), Arc::clone(&self.wake));
            db.listen(CHANNELS, move |event| {
                changes.heard(&event);
                if event == Event::Live {
                    wake.notify_one();
                }
            })
        });
        if self.watch.is_ending(&self.changes) {
            self.wake.notify_one();
        }
        listener.is_live().then(|| self.changes.generation(&scope.project))
    }

    /// Remembers what was found; `hit` when it was stored already.
    pub(super) fn put(&self, scope: &ContextScope, context: &Arc<LandingContext>, found: Found, hit: bool) {
        let hits = self.entries.get(scope).map(|entry| Arc::clone(&entry.hits)).unwrap_or_default();
        hits.fetch_add(u64::from(hit), Ordering::Relaxed);
        self.entries.insert(scope.clone(), Arc::new(Entry { context: Arc::clone(context), found, hits }));
    }

    async fn look_after(&self, db: &Database) {
        let is_live = self.listener.get().is_some_and(Listener::is_live);
        if is_live
            && self.watch.is_ending(&self.changes)
            && self.asked.swap(false, Ordering::Relaxed)
            && let Err(error) = self.watch.arm(db, &self.changes).await
        {
            tracing::debug!(%error, "orchestrator.context.not_watched");
        }
        let hits: Vec<(String, i64)> = self
            .entries
            .iter()
            .map(|(scope, entry)| (scope.cache_key(), entry.hits.swap(0, Ordering::Relaxed) as i64))
            .filter(|(_, hits)| *hits > 0)
            .collect();
        if let Err(error) = stored::count_hits(db, hits).await {
            tracing::debug!(%error, "orchestrator.context.hits_lost");
        }
    }
}

/// Ends with the cache.
async fn tend(cache: Weak<ContextCache>, db: Database, wake: Arc<Notify>) {
    loop {
        // Early when there is a reason to; whether there is, is seen then.
        let _ = tokio::time::timeout(TEND_EVERY, wake.notified()).await;
        let Some(cache) = cache.upgrade() else { return };
        cache.look_after(&db).await;
    }
}

/// The pool, while something is changed that landing contexts show.
pub(crate) struct Changing<'a>(&'a Orchestrator);

impl Orchestrator {
    /// The pool, for what landing contexts show: with the end of the statement this process forgets those in memory, and
    /// need not wait to hear of the change.
    pub(crate) fn changing(&self) -> Changing<'_> {
        Changing(self)
    }
}

impl Deref for Changing<'_> {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.0.db
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.contexts.changes.anywhere();
    }
}

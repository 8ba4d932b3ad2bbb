use std::sync::Arc;

use agent_turbo_db::Database;

use crate::change::Changes;
use crate::context::ContextCache;
use crate::session::{SignsOfLife, Starts};
use crate::task::ReadyTasks;

/// Sessions, tasks, landing contexts, the audit trail, machines and services of one database. Clones share it.
#[derive(Debug, Clone)]
pub struct Orchestrator {
    pub(crate) db: Database,
    pub(crate) ready: Arc<ReadyTasks>,
    pub(crate) contexts: Arc<ContextCache>,
    pub(crate) starts: Arc<Starts>,
    pub(crate) alive: Arc<SignsOfLife>,
    pub(crate) changes: Arc<Changes>,
}

impl Orchestrator {
    /// Over an open pool; nothing is read or written here.
    pub fn new(db: Database) -> Self {
        Self {
            starts: Arc::new(Starts::new(&db)),
            ready: Arc::default(),
            contexts: Arc::new(ContextCache::new()),
            alive: Arc::default(),
            changes: Arc::default(),
            db,
        }
    }

    /// The pool it works with.
    pub fn database(&self) -> &Database {
        &self.db
    }
}

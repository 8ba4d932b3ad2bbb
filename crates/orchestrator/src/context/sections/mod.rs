//! The parts of a landing context: what is read for each, in a statement of its own, and what comes of it.

mod blockers;
mod documents;
mod knowledge;
mod nodes;
mod services;
mod snapshot;
mod stats;
mod tasks;

use agent_turbo_db::{Client, Params, Result, Row};

pub use blockers::{ContextBlocker, MAX_BLOCKERS};
pub use documents::{ContextDocument, MAX_DOCUMENTS};
pub use knowledge::{ContextKnowledge, EXCERPT_CHARS, MAX_KNOWLEDGE};
pub use nodes::{ContextNode, MAX_NODES};
pub use services::{ContextService, MAX_SERVICES};
pub use stats::{DatabaseStats, EXACT_UP_TO};
pub use tasks::{ContextTask, MAX_READY_TASKS, MAX_RECENT_TASKS, TEXT_CHARS};

pub(super) use blockers::blockers;
pub(super) use documents::documents;
pub(super) use knowledge::{knowledge, newest_knowledge};
pub(super) use nodes::nodes;
pub(super) use services::services;
pub(super) use snapshot::{Snapshot, prepare_snapshot, snapshot};
pub(super) use stats::stats;
pub(super) use tasks::{changed_tasks, next_due, ready_tasks, recent_tasks};

/// A row of a section.
trait Item: Sized {
    fn from_row(row: &Row) -> Result<Self>;
}

async fn read<T: Item>(client: &Client, name: &'static str, sql: &str, params: Params<'_>) -> Result<Vec<T>> {
    // Boxed: many of these are under way at once, and a future holds all of its own inside.
    Box::pin(client.rows(name, sql, params)).await?.iter().map(T::from_row).collect()
}

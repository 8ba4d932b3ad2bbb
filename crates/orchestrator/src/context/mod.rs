//! What an agent finds when it arrives, and how it is kept without ever being out of date (docs/adr/0006).

mod cached;
mod changes;
mod generate;
mod landing;
mod memory;
mod scope;
mod sections;
mod since;
mod stored;
mod watch;

pub(crate) use memory::ContextCache;

pub use landing::LandingContext;
pub use scope::ContextScope;
pub use sections::{
    ContextBlocker, ContextDocument, ContextKnowledge, ContextNode, ContextService, ContextTask,
    DatabaseStats, EXACT_UP_TO, EXCERPT_CHARS, MAX_BLOCKERS, MAX_DOCUMENTS, MAX_KNOWLEDGE, MAX_NODES,
    MAX_READY_TASKS, MAX_RECENT_TASKS, MAX_SERVICES, TEXT_CHARS,
};

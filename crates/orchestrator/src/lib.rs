//! Who works where, on what: machines, services, sessions, landing contexts, tasks and the audit trail.
//!
//! Owns their tables. Knows nothing of knowledge or embeddings.

mod error;
mod node;
mod orchestrator;

pub use error::{Error, Result};
pub use node::{Node, count_nodes, node_named, register_node};
pub use orchestrator::Orchestrator;

//! Who works where, on what: machines, services, sessions, landing contexts, tasks and the audit trail.
//!
//! Owns their tables. Knows nothing of knowledge or embeddings.

mod error;
mod ids;
mod name;
mod node;
mod orchestrator;
mod service;

pub use error::{Error, Result};
pub use ids::{ActionId, SessionId, TaskId};
pub use node::{KnownNode, Node, RemovedNode};
pub use orchestrator::Orchestrator;
pub use service::{NewService, PROBE_TIMEOUT, Service, ServiceStatus};

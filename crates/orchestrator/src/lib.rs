//! Who works where, on what: machines, services, sessions, landing contexts, tasks and the audit trail.
//!
//! Owns their tables. Knows nothing of knowledge or embeddings.

mod error;
mod ids;
mod json;
mod name;
mod node;
mod orchestrator;
mod service;
mod task;
mod vocabulary;

pub use error::{Error, Result};
pub use ids::{ActionId, SessionId, TaskId};
pub use node::{KnownNode, Node, RemovedNode};
pub use orchestrator::Orchestrator;
pub use service::{NewService, PROBE_TIMEOUT, Service, ServiceStatus};
pub use task::{
    Cancelled, Claimant, ClaimedTask, CreatedGraph, CreatedTask, Dependency, Failure, GraphTask, Heartbeat,
    Lease, LeaseToken, LookedAfter, MAX_GRAPH, MAX_LEASE, NewTask, OnFailure, Priority, Progress, Reason,
    Task, TaskFilter, TaskPage, TaskStatus, Verdict, Waiting, Why,
};

//! Who works where, on what: machines, services, sessions, landing contexts, tasks and the audit trail.
//!
//! Owns their tables. Knows nothing of knowledge or embeddings.

mod action;
mod change;
mod context;
mod error;
mod ids;
mod json;
mod name;
mod node;
mod orchestrator;
mod performance;
mod reaper;
mod request;
mod restored;
mod service;
mod session;
mod task;
mod token;
mod vocabulary;

pub use action::{
    Action, ActionFilter, ActionPage, BrokenChain, ChainHead, ChainReport, Flaw, MAX_ACTIONS, MAX_JSON_BYTES,
    MAX_LIST_BYTES, MAX_LISTED, MAX_TEXT_BYTES, NewAction,
};
pub use change::{Change, Told, Watcher};
pub use context::{
    ContextBlocker, ContextDocument, ContextKnowledge, ContextNode, ContextScope, ContextService,
    ContextTask, DatabaseStats, EXACT_UP_TO, EXCERPT_CHARS, LandingContext, MAX_BLOCKERS, MAX_DOCUMENTS,
    MAX_KNOWLEDGE, MAX_NODES, MAX_READY_TASKS, MAX_RECENT_TASKS, MAX_SERVICES, TEXT_CHARS,
};
pub use error::{Error, Result};
pub use ids::{ActionId, SessionId, TaskId};
pub use node::{KnownNode, Node, RemovedNode};
pub use orchestrator::Orchestrator;
pub use performance::{Latency, OperationPerformance, PerformanceBucket, PerformanceFilter};
pub use reaper::{Reaped, Reaper};
pub use request::{Begun, RequestClaim, RequestKey};
pub use restored::{DERIVED_TABLES, INCIDENTAL_TABLES, settle_restored};
pub use service::{NewService, PROBE_TIMEOUT, Service, ServiceStatus};
pub use session::{
    EndedSession, HistoryFilter, NewSession, ReapedSessions, Reviews, Session, SessionFilter, SessionHistory,
    SessionPage, SessionStatus, SessionSummary, SilenceLimits, StartedSession, TaskTally, Usage,
};
pub use task::{
    Cancelled, Claimant, ClaimedTask, Completion, CreatedGraph, CreatedTask, Dependency, Failure, GraphTask,
    Heartbeat, Lease, LeaseToken, LookedAfter, MAX_GRAPH, MAX_LEASE, NewTask, OnFailure, Priority, Progress,
    Reason, Task, TaskFilter, TaskPage, TaskStatus, Verdict, Waiting, Why, graph_order,
};
pub use token::{AccessToken, CreatedToken, NewToken};

//! Machines, services, sessions, tasks and the audit trail in a real database.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod actions;
mod chain;
mod context;
mod crash;
mod leases;
mod lossy;
mod machine;
mod nodes;
mod performance;
mod plans;
mod predecessor;
mod queue;
mod services;
mod sessions;
mod support;
mod tasks;

//! Machines, services, sessions, tasks and the audit trail in a real database.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod context;
mod leases;
mod nodes;
mod queue;
mod services;
mod support;
mod tasks;

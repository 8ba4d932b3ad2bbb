//! Real commands for real tasks: what they come to, what bounds them, and who is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agents;
mod bounds;
mod control;
mod leases;
mod outcomes;
mod support;
mod verification;

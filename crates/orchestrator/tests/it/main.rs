//! Machines and services in a real database.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod nodes;
mod services;
mod support;

//! The client against the real service, and against services that go wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batches;
mod caching;
mod embedding;
mod faults;
mod models;
mod support;

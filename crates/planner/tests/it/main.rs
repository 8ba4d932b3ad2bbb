//! Prompts, plans and audits, with a real database.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;
mod loading;
mod prompts;
mod summaries;
mod support;
mod workflow;

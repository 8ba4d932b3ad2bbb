//! Prompts, plans and audits, with a real database.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod prompts;

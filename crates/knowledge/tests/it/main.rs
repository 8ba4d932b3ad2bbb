//! Knowledge against a real database and a real model.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod adding;
mod asking;
mod caching;
mod changing;
mod documents;
mod faults;
mod filters;
mod isolation;
mod postings;
mod quality;
mod ranking;
mod reembedding;
mod scanning;
mod support;
mod versions;

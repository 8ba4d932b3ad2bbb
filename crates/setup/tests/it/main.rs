//! Files of clients, edited in real folders.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;
mod json;
mod support;
mod toml;
mod undo;

//! Imports from real SQLite files into a real database, with a real model.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod damage;
mod files;
mod resuming;
mod running;
mod shapes;
mod support;
mod verifying;

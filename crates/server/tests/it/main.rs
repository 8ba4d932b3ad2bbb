//! Requests as programs send them, on a real database and a real model.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod http;
mod mcp;

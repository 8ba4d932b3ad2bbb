//! What agents and programs speak to: MCP ([`mcp`]) and an HTTP API ([`http`]).
//!
//! Adapters only: both translate between a protocol and the layers below, which know nothing of either. No SQL here.

mod app;
mod caller;
mod fault;
pub mod http;
pub mod mcp;

pub use app::App;

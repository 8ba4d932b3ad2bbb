//! The Model Context Protocol: one connection is one agent session.
//!
//! A tool is a file of `tools`; a [`Profile`] says which of them a connection has. The session is opened by the first
//! call that needs one, and ended with the connection, by which its tasks go back to the queue. Where the protocol knows
//! no connection (streamable HTTP since 2026-07-28), calls name the session that `start_session` gave them.

mod agent;
mod call;
mod connection;
mod lines;
mod profile;
mod prompts;
mod reply;
mod resources;
mod schema;
mod tools;
mod transport;

pub use connection::{Identity, Join};
pub use profile::Profile;
pub use transport::{HttpLimits, McpHttp, serve_stdio};

//! The built program, from stdin to stdout, with a real database and a real model.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asking;
mod backup;
mod demo;
#[cfg(target_os = "linux")]
mod disk;
mod embedded;
mod entries;
mod evaluating;
mod faults;
mod hooks;
mod http;
mod importing;
mod ingesting;
mod machines;
mod mcp;
mod metering;
mod output;
mod planning;
mod processes;
mod quality;
mod reembedding;
mod refusals;
mod serving;
mod sessions;
mod settings;
mod setup;
mod support;
mod tasks;
mod terminal;
mod trail;
mod worker;

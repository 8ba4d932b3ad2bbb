//! The embedding service with the real model.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod agreement;
mod endpoints;
mod engine;
mod lifecycle;
mod model_files;
mod model_folder;
mod refusals;
mod server;
mod synthetic;
mod synthetic_model;
mod wire;

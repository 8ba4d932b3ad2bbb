//! The embedding service: BERT-family sentence models from safetensors files, behind a small HTTP API.
//!
//! A [`Model`] turns text into vectors on rten's kernels, a batch's sequences packed without padding. An [`Engine`]
//! makes batches out of concurrent requests, remembers vectors, and refuses work rather than queueing without bound.
//! [`serve`] puts it behind HTTP on a listener that the caller has bound.
//!
//! This crate must not know the database, the knowledge base or the program it is started from; it reads no
//! environment variable, downloads nothing and opens no port of its own.

mod backend;
#[cfg(feature = "candle")]
mod backend_candle;
mod bert;
mod cache;
mod config;
mod engine;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod histogram;
mod http;
mod model;
mod pooling;
mod queue;
mod stats;
mod team;
mod tokenizer;
mod weights;

pub use backend::Device;
pub use engine::{Embedded, Engine, EngineOptions};
pub use error::Error;
pub use http::{Limits, serve};
pub use model::{Embedding, Model, ModelOptions};
pub use stats::{Latency, Stats};
pub use tokenizer::Tokens;

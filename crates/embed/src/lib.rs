//! Client of the embedding service, with a cache of vectors in two tiers.
//!
//! Speaks the service's HTTP protocol (`/health`, `/embed`, `/batch`) and knows no SQL: what the vectors are for is
//! the callers' business.

mod cache;
mod client;
mod config;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod model;
mod wire;

pub use client::{Client, Embedding, Source};
pub use config::{Config, DiskCache, Finder};
pub use error::{Error, Result};
pub use model::Model;
pub use wire::Health;

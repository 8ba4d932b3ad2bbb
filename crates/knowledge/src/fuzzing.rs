//! What is done to a text before it is stored, for fuzz targets.

pub use crate::content::{estimate_tokens, normalise, validate};

//! Documents on disk: finding, recognising, decoding and splitting them into chunks.
//!
//! Knows files and formats; no database, no embedding service, no project. What cannot be used is a [`Skip`] with its
//! reason, never a panic: the bytes are anybody's.

mod chunk;
mod decode;
mod document;
mod error;
mod git;
mod jsonl;
mod kind;
mod pdf;
mod skip;
mod walk;

pub use chunk::{CHUNKER, Chunk, DEFAULT_CHARS, MIN_CHARS, chunks};
pub use decode::decode;
pub use document::{Document, read};
pub use error::{Error, Result};
pub use git::{Place, Places};
pub use jsonl::{JsonLine, JsonLines, MAX_LINE_BYTES, Numbered};
pub use kind::{Kind, Language};
pub use skip::Skip;
pub use walk::{Found, Globs, Walk, walk};

//! JSON lines: one object a line, as `export` writes them and as others do.

mod line;
mod read;

pub use line::JsonLine;
pub use read::{JsonLines, MAX_LINE_BYTES, Numbered};

//! A landing context as text for a prompt.

mod format;
mod line;
mod sections;
mod tokens;

pub use format::{Formatted, LeftOut, format_landing_context};
pub use tokens::estimate_tokens;

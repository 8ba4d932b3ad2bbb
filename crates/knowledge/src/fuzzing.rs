//! What is done to a text before it is stored, for fuzz targets.

use crate::{Result, content};

/// The one form of a text.
pub fn normalise(text: &str) -> String {
    content::normalise(text)
}

/// Checks a normalised text.
pub fn validate(text: &str, max_bytes: usize) -> Result<()> {
    content::validate("the text", text, max_bytes)
}

/// Tokens that a language model would need, roughly.
pub fn estimate_tokens(text: &str) -> i32 {
    content::estimate_tokens(text)
}

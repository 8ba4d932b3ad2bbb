use crate::{Error, Result};

const MAX_BYTES: usize = 256;

/// Names of machines and services, and what they are: short, something, and one line.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<()> {
    let why = if name.trim().is_empty() {
        "it is empty".to_owned()
    } else if name.len() > MAX_BYTES {
        format!("it has more than {MAX_BYTES} bytes")
    } else if name.chars().any(char::is_control) {
        format!("{name:?} holds control characters")
    } else if name.trim() != name {
        format!("{name:?} begins or ends with a space")
    } else {
        return Ok(());
    };
    Err(Error::bad_input(what, why))
}

/// Longer text that people write: something, bounded, without what PostgreSQL's text does not hold.
pub(crate) fn check_text(what: &'static str, text: &str, max_bytes: usize) -> Result<()> {
    let why = if text.trim().is_empty() {
        "it is empty".to_owned()
    } else if text.len() > max_bytes {
        format!("{} bytes are more than {max_bytes}", text.len())
    } else if text.contains('\0') {
        "it holds a NUL character".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::bad_input(what, why))
}

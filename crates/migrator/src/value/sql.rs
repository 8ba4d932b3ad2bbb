use std::fmt::Write as _;

use serde_json::{Value, json};

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlValue {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number; SQLite knows infinities, and no NaN.
    Real(f64),
    /// A text.
    Text(String),
    /// What the table says is a text, and is no UTF-8.
    NotUtf8(Vec<u8>),
    /// Bytes.
    Blob(Vec<u8>),
    /// More bytes than are read.
    TooLarge(u64),
}

impl SqlValue {
    /// The text that this is: a number as it is written, and bytes that are nothing but text.
    ///
    /// # Errors
    /// Why it is none.
    pub fn to_text(&self) -> Result<String, String> {
        match self {
            Self::Null => Err("is NULL".to_owned()),
            Self::Integer(number) => Ok(number.to_string()),
            Self::Real(number) => Ok(number.to_string()),
            Self::Text(text) => Ok(text.clone()),
            Self::NotUtf8(bytes) => Err(not_utf8(bytes)),
            Self::Blob(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if !text.chars().any(is_binary) => Ok(text.to_owned()),
                _ => Err(format!("is a BLOB of {} bytes that is no text", bytes.len())),
            },
            Self::TooLarge(bytes) => Err(format!("has {bytes} bytes, which is too much")),
        }
    }

    /// This as JSON, with nothing lost but what is too large: bytes in hexadecimal digits, and no NUL in texts, for jsonb
    /// has none.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => json!(number),
            // JSON has no infinity.
            Self::Real(number) if !number.is_finite() => json!(number.to_string()),
            Self::Real(number) => json!(number),
            Self::Text(text) if text.contains('\0') => json!({ "hex": hex(text.as_bytes()) }),
            Self::Text(text) => json!(text),
            Self::NotUtf8(bytes) | Self::Blob(bytes) => json!({ "hex": hex(bytes) }),
            Self::TooLarge(bytes) => json!({ "omitted_bytes": bytes }),
        }
    }

    /// How many bytes it takes, roughly.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::NotUtf8(bytes) | Self::Blob(bytes) => bytes.len(),
            _ => 8,
        }
    }
}

fn is_binary(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\r' | '\t')
}

fn not_utf8(bytes: &[u8]) -> String {
    let position = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    format!("is not UTF-8 from byte {position} on")
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

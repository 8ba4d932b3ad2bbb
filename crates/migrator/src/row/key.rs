use agent_turbo_knowledge::redact;
use serde_json::{Value, json};

use crate::shape::{Role, Selected};
use crate::source::TableKind;
use crate::value::SqlValue;

/// What a row is known by: its number; or its key, where that is one text that can be shown, for SQLite may give other
/// numbers to the rows of such tables; or all parts of its key, where rows have no numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct RowKey(pub(crate) Vec<SqlValue>);

/// A longer text is not taken for a name.
const MAX_KEY_BYTES: usize = 256;

impl RowKey {
    pub(crate) fn of(table: &Selected, rowid: Option<i64>, values: &[SqlValue]) -> Self {
        let key = table.info.key();
        let Some(rowid) = rowid.filter(|_| table.info.kind == TableKind::Table) else {
            return Self(key.iter().map(|index| values[*index].clone()).collect());
        };
        match &key[..] {
            [index] if table.roles[*index] != Some(Role::Content) => match &values[*index] {
                SqlValue::Text(text) if is_name(text) => Self(vec![SqlValue::Text(text.clone())]),
                _ => Self(vec![SqlValue::Integer(rowid)]),
            },
            _ => Self(vec![SqlValue::Integer(rowid)]),
        }
    }

    /// A number, a text, or a list.
    pub fn to_json(&self) -> Value {
        match &self.0[..] {
            [SqlValue::Integer(number)] => json!(number),
            [SqlValue::Text(text)] => json!(text),
            parts => parts.iter().map(SqlValue::to_json).collect(),
        }
    }

    /// The key that was written so; `None` if none is.
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Array(parts) => parts.iter().map(part).collect::<Option<_>>().map(Self),
            value => Some(Self(vec![part(value)?])),
        }
    }
}

fn part(value: &Value) -> Option<SqlValue> {
    match value {
        Value::Null => Some(SqlValue::Null),
        Value::String(text) => Some(SqlValue::Text(text.clone())),
        Value::Number(number) => {
            number.as_i64().map(SqlValue::Integer).or_else(|| number.as_f64().map(SqlValue::Real))
        }
        Value::Object(members) => {
            let hex = members.get("hex")?.as_str()?;
            let bytes = hex
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
            bytes.collect::<Option<_>>().map(SqlValue::Blob)
        }
        _ => None,
    }
}

/// Provenance is stored and shown as it is, so it may hold no secret.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_KEY_BYTES
        && !text.chars().any(char::is_control)
        && redact(text).kinds.is_empty()
}

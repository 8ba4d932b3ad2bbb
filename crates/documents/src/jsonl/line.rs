use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A line. Only `text` (or `content`) must be there; members that have no meaning here go to the metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JsonLine {
    /// What its author knows it by: a text or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Value>,
    /// The text.
    #[serde(alias = "content")]
    pub text: String,
    /// Whatever its author noted.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Map<String, Value>,
    /// Where it belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// What it is. A line that says so is an entry of its own; any other one is a piece of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knowledge_type: Option<String>,
    /// Its author's own sorting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Its author's labels.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<String>,
    /// The session that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_session: Option<String>,
    /// The platform of the agent that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_agent_platform: Option<String>,
    /// When it was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// How often it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_count: Option<i64>,
    /// When it was last found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_accessed: Option<Timestamp>,
    /// Until when it is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

fn or_default<'de, T: Default + Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl JsonLine {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut line: Self = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if !matches!(line.id, None | Some(Value::String(_) | Value::Number(_))) {
            return Err("its id is neither a text nor a number".to_owned());
        }
        for (member, value) in std::mem::take(&mut line.more) {
            line.metadata.entry(member).or_insert(value);
        }
        Ok(line)
    }
}

use serde::Serialize;

use super::{Mapping, Role, TableInfo};
use crate::Result;
use crate::source::Source;

/// A guess of what a table's columns mean, for somebody to look at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proposal {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The guess.
    pub mapping: Mapping,
    /// The average length of the content's texts.
    pub text_length: f64,
}

const CONTENT: &[&str] = &[
    "content",
    "text",
    "body",
    "message",
    "note",
    "memory",
    "fact",
    "value",
    "document",
    "summary",
    "description",
];
const OTHERS: &[(Role, &[&str])] = &[
    (
        Role::CreatedAt,
        &[
            "created_at",
            "created",
            "createdat",
            "timestamp",
            "ts",
            "time",
            "date",
            "inserted_at",
            "added_at",
            "datetime",
        ],
    ),
    (Role::LastAccessed, &["last_accessed", "last_used", "accessed_at", "last_access", "used_at"]),
    (Role::AccessCount, &["access_count", "usage_count", "use_count", "frequency", "hits", "times_used"]),
    (Role::Category, &["category", "topic", "section"]),
    (Role::Tags, &["tags", "labels", "keywords"]),
    (Role::Type, &["knowledge_type", "type", "kind"]),
    (Role::Session, &["source_session", "session_id", "session"]),
    (Role::Platform, &["source_agent_platform", "platform", "agent"]),
    (Role::Metadata, &["metadata", "meta"]),
    (Role::Ignore, &["embedding", "embeddings", "vector", "embedding_vector"]),
];

/// By names first; the content, where no name tells, is the column with the longest texts.
pub(crate) fn propose(source: &Source, table: &TableInfo) -> Result<Option<Proposal>> {
    let named = |names: &[&str]| {
        names.iter().find_map(|name| {
            table
                .columns
                .iter()
                .find(|column| column.name.eq_ignore_ascii_case(name))
                .map(|column| &column.name)
        })
    };
    let mut columns: Vec<(Role, String)> = Vec::new();
    for (role, names) in OTHERS {
        if let Some(name) = named(names) {
            columns.push((*role, name.clone()));
        }
    }
    let mut longest: Option<(f64, String)> = None;
    for column in &table.columns {
        if columns.iter().any(|(_, name)| *name == column.name) {
            continue;
        }
        let length = source.text_length(table, column)?;
        let is_named = named(CONTENT) == Some(&column.name);
        // A title is shorter than what it stands over, and an id is no text.
        let weight = if is_named { length * 100.0 } else { length };
        if length > 0.0 && longest.as_ref().is_none_or(|(most, _)| weight > *most) {
            longest = Some((weight, column.name.clone()));
        }
    }
    let Some((weight, content)) = longest else { return Ok(None) };
    let text_length = if named(CONTENT) == Some(&content) { weight / 100.0 } else { weight };
    columns.insert(0, (Role::Content, content));
    Ok(Some(Proposal {
        table: table.name.clone(),
        rows: source.count(table)?,
        mapping: Mapping { columns, knowledge_type: None },
        text_length,
    }))
}

impl Proposal {
    pub(super) fn score(&self) -> f64 {
        self.text_length * self.rows as f64
    }
}

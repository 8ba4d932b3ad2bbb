use agent_turbo_knowledge::{Candidate, History, NewEntry, Project, Provenance, Store, check_label, redact};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::metadata::Kept;
use crate::shape::{Role, Selected};
use crate::source::RawRow;
use crate::value::{SqlValue, parse_json, parse_tags, parse_timestamp};

/// Makes entries of rows: always the same entry of the same row.
#[derive(Debug, Clone)]
pub(crate) struct Converter {
    pub(crate) store: Store,
    pub(crate) project: Project,
    pub(crate) source_name: String,
    pub(crate) time_zone: TimeZone,
}

/// Why a row cannot be imported.
#[derive(Debug, Clone)]
pub(crate) struct Rejection {
    pub(crate) reason: String,
    /// The beginning of its text, without secrets.
    pub(crate) excerpt: String,
}

/// The characters of a rejected row's text that are shown.
const EXCERPT: usize = 120;

impl Converter {
    pub(crate) fn convert(&self, table: &Selected, row: &RawRow) -> Result<Candidate, Rejection> {
        let content = content(table, row)
            .map_err(|reason| Rejection { reason, excerpt: excerpt(&any_text(table, row)) })?;
        let provenance = Provenance {
            file: self.source_name.clone(),
            table: table.info.name.clone(),
            row: row.key.to_json(),
        };
        let (mut entry, history) = self.entry(table, row);
        let shown = excerpt(&content);
        entry.content = content;
        self.store
            .candidate(entry, history, &provenance)
            .map_err(|error| Rejection { reason: error.to_string(), excerpt: shown })
    }

    /// Everything but the text. What does not fit its column is kept in the metadata.
    fn entry(&self, table: &Selected, row: &RawRow) -> (NewEntry, History) {
        let mut entry = NewEntry { project: self.project.clone(), ..NewEntry::default() };
        entry.knowledge_type.clone_from(&table.mapping.knowledge_type);
        let mut history = History::default();
        let mut kept = Kept::default();
        let columns = || table.info.columns.iter().zip(&table.roles).zip(&row.values);
        for ((_, role), value) in columns() {
            if *role == Some(Role::Metadata)
                && let SqlValue::Text(text) = value
                && let Some(Value::Object(members)) = parse_json(text)
            {
                kept.members(members);
            }
        }
        for (index, ((column, role), value)) in columns().enumerate() {
            let fits = match role {
                Some(Role::Content | Role::Ignore) => true,
                Some(Role::Metadata) => is_object(value),
                Some(Role::CreatedAt) => {
                    put(&mut history.created_at, parse_timestamp(value, &self.time_zone))
                }
                Some(Role::LastAccessed) => {
                    put(&mut history.last_accessed, parse_timestamp(value, &self.time_zone))
                }
                Some(Role::AccessCount) => count(value).is_some_and(|count| {
                    history.access_count = count;
                    true
                }),
                Some(Role::Tags) => {
                    let tags = parse_tags(value);
                    entry.tags.extend(tags.tags);
                    tags.whole
                }
                Some(Role::Category) => put(&mut entry.category, label(value)),
                Some(Role::Type) => put(&mut entry.knowledge_type, label(value)),
                Some(Role::Session) => put(&mut entry.source_session, label(value)),
                Some(Role::Platform) => put(&mut entry.source_agent_platform, label(value)),
                Some(Role::Json) | None => false,
            };
            // The row's number is in the provenance.
            if !fits && !table.info.is_rowid(index) {
                let json = match (role, value) {
                    (Some(Role::Json | Role::Metadata | Role::Tags), SqlValue::Text(text)) => {
                        parse_json(text)
                    }
                    _ => None,
                };
                kept.column(&table.info.name, &column.name, json.unwrap_or_else(|| value.to_json()));
            }
        }
        entry.metadata = kept.into_members();
        (entry, history)
    }
}

/// The texts of the content's columns, with a blank line between them.
fn content(table: &Selected, row: &RawRow) -> Result<String, String> {
    let mut parts = Vec::new();
    for index in &table.content {
        let name = &table.info.columns[*index].name;
        // Of several columns one may be missing.
        if matches!(row.values[*index], SqlValue::Null) && table.content.len() > 1 {
            continue;
        }
        let text = row.values[*index].to_text().map_err(|why| format!("the column {name:?} {why}"))?;
        if !text.trim().is_empty() {
            parts.push(text);
        }
    }
    if parts.is_empty() {
        return Err("there is no text in it".to_owned());
    }
    Ok(if parts.len() == 1 {
        parts.swap_remove(0)
    } else {
        parts.iter().map(|part| part.trim()).collect::<Vec<_>>().join("\n\n")
    })
}

/// What there is to show of a row without content.
fn any_text(table: &Selected, row: &RawRow) -> String {
    let bytes = table.content.iter().find_map(|index| match &row.values[*index] {
        SqlValue::NotUtf8(bytes) | SqlValue::Blob(bytes) => Some(bytes),
        _ => None,
    });
    bytes
        .map(|bytes| String::from_utf8_lossy(&bytes[..bytes.len().min(4 * EXCERPT)]).into_owned())
        .unwrap_or_default()
}

fn excerpt(text: &str) -> String {
    let beginning: String = text.chars().take(8 * EXCERPT).collect();
    let clean = redact(&beginning).text.into_owned();
    clean.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(EXCERPT).collect()
}

fn is_object(value: &SqlValue) -> bool {
    matches!(value, SqlValue::Text(text) if matches!(parse_json(text), Some(Value::Object(_))))
}

fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let fits = value.is_some();
    if fits {
        *place = value;
    }
    fits
}

fn label(value: &SqlValue) -> Option<String> {
    let text = value.to_text().ok()?;
    let text = text.trim();
    check_label("a label", text).ok().map(|()| text.to_owned())
}

/// A number of times.
fn count(value: &SqlValue) -> Option<i64> {
    match value {
        SqlValue::Integer(number) => Some(*number),
        SqlValue::Real(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(*number as i64),
        SqlValue::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number| *number >= 0)
}

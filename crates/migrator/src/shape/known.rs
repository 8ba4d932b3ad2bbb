use serde::Serialize;

use super::{Mapping, Role};
use crate::source::Column;

/// The stores that are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// `knowledge(id, timestamp, content, embedding, …, usage_count, ref_ids, …)`.
    Knowledge,
    /// `knowledge(content_hash, content, tokens, created_at, …)`.
    HashedKnowledge,
    /// `patterns(pattern_hash, pattern, solution, frequency, last_used)`.
    Patterns,
    /// `entries(id, ts, text, tags, metadata)`.
    Entries,
    /// Somebody said what its columns mean.
    Mapped,
}

struct Known {
    shape: Shape,
    table: &'static str,
    /// Without these it is something else.
    needed: &'static [&'static str],
    content: &'static [&'static str],
    /// Those of them that are there.
    roles: &'static [(&'static str, Role)],
    knowledge_type: Option<&'static str>,
}

const KNOWN: &[Known] = &[
    Known {
        shape: Shape::Knowledge,
        table: "knowledge",
        needed: &["content", "timestamp"],
        content: &["content"],
        roles: &[
            ("timestamp", Role::CreatedAt),
            // Pickled, of a placeholder's making: never read, and made anew.
            ("embedding", Role::Ignore),
            ("category", Role::Category),
            ("tags", Role::Tags),
            ("metadata", Role::Metadata),
            ("ref_ids", Role::Json),
            ("usage_count", Role::AccessCount),
            ("last_accessed", Role::LastAccessed),
        ],
        knowledge_type: None,
    },
    Known {
        shape: Shape::HashedKnowledge,
        table: "knowledge",
        needed: &["content_hash", "content", "created_at"],
        content: &["content"],
        roles: &[
            ("created_at", Role::CreatedAt),
            ("embedding", Role::Ignore),
            ("source_session", Role::Session),
            ("source_agent_platform", Role::Platform),
            ("knowledge_type", Role::Type),
            ("category", Role::Category),
            ("tags", Role::Tags),
            ("metadata", Role::Metadata),
            ("access_count", Role::AccessCount),
            ("last_accessed", Role::LastAccessed),
        ],
        knowledge_type: None,
    },
    Known {
        shape: Shape::Patterns,
        table: "patterns",
        needed: &["pattern", "solution"],
        content: &["pattern", "solution"],
        roles: &[
            ("frequency", Role::AccessCount),
            ("last_used", Role::LastAccessed),
            ("created_at", Role::CreatedAt),
            ("category", Role::Category),
            ("tags", Role::Tags),
            ("metadata", Role::Metadata),
            ("embedding", Role::Ignore),
        ],
        knowledge_type: Some("pattern"),
    },
    Known {
        shape: Shape::Entries,
        table: "entries",
        needed: &["ts", "text"],
        content: &["text"],
        roles: &[
            ("ts", Role::CreatedAt),
            ("tags", Role::Tags),
            ("metadata", Role::Metadata),
            ("category", Role::Category),
            ("embedding", Role::Ignore),
        ],
        knowledge_type: None,
    },
];

/// The store that a table with this name and these columns is of, and what its columns mean.
pub fn recognise(table: &str, columns: &[Column]) -> Option<(Shape, Mapping)> {
    let named = |name: &str| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
    let known = KNOWN.iter().find(|known| {
        known.table.eq_ignore_ascii_case(table) && known.needed.iter().all(|name| named(name).is_some())
    })?;
    let content = known.content.iter().map(|name| (*name, Role::Content));
    let columns = content
        .chain(known.roles.iter().copied())
        .filter_map(|(name, role)| Some((role, named(name)?.name.clone())))
        .collect();
    let knowledge_type = known.knowledge_type.map(str::to_owned);
    Some((known.shape, Mapping { columns, knowledge_type }))
}

impl Shape {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Knowledge => "knowledge",
            Self::HashedKnowledge => "hashed_knowledge",
            Self::Patterns => "patterns",
            Self::Entries => "entries",
            Self::Mapped => "mapped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(table: &str, columns: &str) -> Option<Shape> {
        let columns: Vec<Column> = columns
            .split(' ')
            .map(|name| Column { name: name.to_owned(), declared: String::new(), key: 0 })
            .collect();
        recognise(table, &columns).map(|(shape, _)| shape)
    }

    #[test]
    fn stores_are_told_apart_by_their_columns() {
        let knowledge =
            "id timestamp content embedding token_count category ref_ids usage_count last_accessed";
        assert_eq!(shape("knowledge", knowledge), Some(Shape::Knowledge));
        let hashed = "content_hash content tokens created_at source_session knowledge_type access_count";
        assert_eq!(shape("Knowledge", hashed), Some(Shape::HashedKnowledge));
        let patterns = "pattern_hash pattern solution frequency last_used";
        assert_eq!(shape("patterns", patterns), Some(Shape::Patterns));
        assert_eq!(shape("entries", "id ts text tags metadata"), Some(Shape::Entries));
        assert_eq!(shape("entries_fts", "id ts text tags metadata"), None);
        assert_eq!(shape("knowledge", "content"), None);
    }
}

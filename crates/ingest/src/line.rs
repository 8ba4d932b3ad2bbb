use agent_turbo_documents::JsonLine;
use agent_turbo_knowledge::{Entry, History, NewEntry, Project};
use serde_json::{Map, Value};

/// The member of the metadata that holds the id that an entry has elsewhere.
const ID: &str = "id";

/// What a line says of an entry. The entry's project is the line's, if it names one and that counts.
pub(crate) fn entry(
    line: JsonLine,
    project: &Project,
    is_project_given: bool,
) -> agent_turbo_knowledge::Result<(NewEntry, History)> {
    let project = match line.project.filter(|_| !is_project_given) {
        Some(named) => named.parse()?,
        None => project.clone(),
    };
    let mut metadata = line.metadata;
    // An entry that had no id of its own is exported under its text's hash, which it has anyway.
    if let Some(id) = line.id
        && !id.as_str().is_some_and(is_hash)
    {
        metadata.insert(ID.to_owned(), id);
    }
    let history = History {
        created_at: line.created_at,
        access_count: line.access_count.unwrap_or_default(),
        last_accessed: line.last_accessed,
    };
    let entry = NewEntry {
        content: line.text,
        project,
        knowledge_type: line.knowledge_type,
        category: line.category,
        tags: line.tags,
        metadata,
        source_session: line.source_session,
        source_agent_platform: line.source_agent_platform,
        expires_at: line.expires_at,
        ..NewEntry::default()
    };
    Ok((entry, history))
}

/// The line that an entry is read back from.
pub(crate) fn line(entry: Entry) -> JsonLine {
    let mut metadata = match entry.metadata {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    let own = metadata.get(ID).filter(|id| match id {
        Value::String(text) => !is_hash(text),
        other => other.is_number(),
    });
    let id = own.cloned();
    if id.is_some() {
        metadata.remove(ID);
    }
    JsonLine {
        id: Some(id.unwrap_or_else(|| entry.content_hash.as_str().into())),
        text: entry.content,
        metadata,
        project: Some(entry.project),
        knowledge_type: Some(entry.knowledge_type),
        category: entry.category,
        tags: entry.tags,
        source_session: entry.source_session,
        source_agent_platform: entry.source_agent_platform,
        created_at: Some(entry.created_at),
        access_count: Some(entry.access_count),
        last_accessed: entry.last_accessed,
        expires_at: entry.expires_at,
        more: Map::new(),
    }
}

/// Whether a text looks like the hash that an entry without an id is exported under.
fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

use agent_turbo_redact::redact_json;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::add::Prepared;
use crate::filter::check_metadata;
use crate::{ContentHash, NewEntry, Project, Result, Store};

/// What an entry lived through before it came here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// `None` for the time at which it is stored.
    pub created_at: Option<Timestamp>,
    /// How often it was found; less than 0 is 0.
    pub access_count: i64,
    /// When it was last found.
    pub last_accessed: Option<Timestamp>,
}

/// Where an entry came from; kept as the member `import` of its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The source.
    pub file: String,
    /// The table in it.
    pub table: String,
    /// The row in that: a number, a text, or several of them.
    pub row: Value,
}

/// An entry from elsewhere after all checks, ready to be looked up, embedded and inserted.
#[derive(Debug)]
pub struct Candidate(pub(crate) Prepared);

/// The member of the metadata that holds a [`Provenance`].
pub(super) const MEMBER: &str = "import";

impl Store {
    /// Checks an entry as [`add`](Self::add) does, without asking anybody; secrets are replaced in its metadata, too.
    /// A member `import` of its metadata gives way to the provenance.
    pub fn candidate(&self, entry: NewEntry, history: History, provenance: &Provenance) -> Result<Candidate> {
        let Provenance { file, table, row } = provenance;
        let from = serde_json::json!({ "file": file, "table": table, "row": row });
        self.checked(entry, history, Some((MEMBER, from)))
    }

    /// An entry with a member of its metadata in which no secrets are looked for.
    pub(crate) fn checked(
        &self,
        mut entry: NewEntry,
        history: History,
        member: Option<(&str, Value)>,
    ) -> Result<Candidate> {
        let mut metadata = Value::Object(std::mem::take(&mut entry.metadata));
        let kinds = if self.0.options.redact { redact_json(&mut metadata) } else { Vec::new() };
        let mut prepared = self.prepare(entry)?;
        if let Value::Object(mut members) = metadata {
            members.extend(member.map(|(name, value)| (name.to_owned(), value)));
            check_metadata(&members)?;
            prepared.entry.metadata = members;
        }
        prepared.redacted.extend(kinds);
        prepared.history = history;
        Ok(Candidate(prepared))
    }
}

impl Candidate {
    /// What it will be known by.
    pub fn content_hash(&self) -> &ContentHash {
        &self.0.hash
    }

    /// The text that will be stored.
    pub fn content(&self) -> &str {
        &self.0.entry.content
    }

    /// The entry that will be stored.
    pub fn entry(&self) -> &NewEntry {
        &self.0.entry
    }

    /// What it lived through.
    pub fn history(&self) -> &History {
        &self.0.history
    }

    /// Where it belongs.
    pub fn project(&self) -> &Project {
        &self.0.entry.project
    }

    /// Kinds of secrets that were replaced, one for each replacement.
    pub fn redacted(&self) -> &[&'static str] {
        &self.0.redacted
    }
}

use agent_turbo_redact::{redact, redact_json};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Added, NewEntry, Outcome};
use crate::content::{normalise, validate};
use crate::filter::{check_label, check_metadata};
use crate::import::History;
use crate::near::Near;
use crate::{ContentHash, Error, Result, State, Store};

/// A new entry after all checks.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) entry: NewEntry,
    pub(crate) hash: ContentHash,
    pub(crate) redacted: Vec<&'static str>,
    pub(crate) history: History,
    /// Why it waits for approval, if it does.
    pub(crate) quarantine: Option<String>,
}

impl Store {
    pub(crate) fn prepare(&self, mut entry: NewEntry) -> Result<Prepared> {
        let mut content = normalise(&entry.content);
        validate("the text", &content, self.0.options.max_content_bytes)?;
        let mut redacted = Vec::new();
        if self.0.options.redact {
            let clean = redact(&content);
            redacted = clean.kinds;
            if !redacted.is_empty() {
                content = clean.text.into_owned();
            }
        }
        entry.content = content;
        if self.0.options.redact {
            redacted.extend(redact_notes(&mut entry.tags, entry.category.as_mut(), &mut entry.metadata));
        }
        let type_and_category = [("the type", &entry.knowledge_type), ("the category", &entry.category)];
        let source = [("the session", &entry.source_session), ("the platform", &entry.source_agent_platform)];
        for (what, value) in type_and_category.into_iter().chain(source) {
            value.as_deref().map_or(Ok(()), |value| check_label(what, value))?;
        }
        entry.tags.iter().try_for_each(|tag| check_label("a tag", tag))?;
        check_metadata(&entry.metadata)?;
        if entry.expires_at.is_some_and(|time| time <= Timestamp::now()) {
            return Err(Error::bad_input("the time of expiry", "it is over"));
        }
        if entry.near_similarity.is_some_and(|least| !(0.0..=1.0).contains(&least)) {
            return Err(Error::bad_input("the similarity", "it is not between 0 and 1"));
        }
        let quarantine = self.quarantine_of(&entry);
        let changes_others = !entry.supersedes.is_empty() || entry.near == Near::Merged;
        if quarantine.is_some() && changes_others {
            let why = "it waits for approval, and until then changes no other entry";
            return Err(Error::bad_input("the entry", why));
        }
        if !entry.supersedes.is_empty() && entry.near == Near::Merged {
            let why = "it either takes the place of others or is merged into one";
            return Err(Error::bad_input("the entry", why));
        }
        let hash = ContentHash::of(&entry.content);
        Ok(Prepared { entry, hash, redacted, history: History::default(), quarantine })
    }

    /// Why an entry has to wait for approval, if it has to.
    fn quarantine_of(&self, entry: &NewEntry) -> Option<String> {
        let platform = entry.source_agent_platform.as_deref();
        if entry.quarantine {
            Some("added as untrusted".to_owned())
        } else if self.trusts(platform) {
            None
        } else {
            Some(format!("from the untrusted platform {}", platform.unwrap_or_default()))
        }
    }
}

impl Prepared {
    pub(crate) fn done(&self, outcome: Outcome, truncated: bool) -> Added {
        let state = if self.quarantine.is_some() { State::Quarantined } else { State::Current };
        Added {
            content_hash: self.hash.clone(),
            project: self.entry.project.clone(),
            outcome,
            redacted: self.redacted.clone(),
            truncated,
            state,
            superseded: Vec::new(),
            near_duplicates: Vec::new(),
            merged: None,
        }
    }
}

/// Takes secrets out of what is noted beside a text; the kinds of those that were found.
pub(crate) fn redact_notes(
    tags: &mut [String],
    category: Option<&mut String>,
    metadata: &mut Map<String, Value>,
) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    for label in tags.iter_mut().chain(category) {
        let clean = redact(label);
        if !clean.kinds.is_empty() {
            kinds.extend(&clean.kinds);
            *label = clean.text.into_owned();
        }
    }
    let mut whole = Value::Object(std::mem::take(metadata));
    kinds.extend(redact_json(&mut whole));
    if let Value::Object(members) = whole {
        *metadata = members;
    }
    kinds
}

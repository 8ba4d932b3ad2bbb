use agent_turbo_redact::redact;
use serde_json::{Value, json};

use super::Location;
use super::location::{DOCUMENT_TYPE, MEMBER};
use crate::import::History;
use crate::{Candidate, NewEntry, Result, Store};

impl Store {
    /// Checks an entry of a document as [`add`](Self::add) does, without asking anybody; secrets are replaced in its
    /// metadata, too. With a place in the document it is made for that and becomes its, without one it is an entry of its
    /// own.
    pub fn document_candidate(
        &self,
        mut entry: NewEntry,
        history: History,
        location: Option<&Location>,
    ) -> Result<Candidate> {
        let location: Option<(&str, Value)> = location.map(|location| {
            entry.knowledge_type = Some(DOCUMENT_TYPE.to_owned());
            let mut location = location.clone();
            location.heading = location.heading.map(|heading| self.without_secrets(heading));
            (MEMBER, json!(location))
        });
        self.checked(entry, history, location)
    }

    /// A heading or a title as it is stored.
    pub(super) fn without_secrets(&self, text: String) -> String {
        if self.0.options.redact { redact(&text).text.into_owned() } else { text }
    }

    /// Those of the candidates whose texts their projects have, by their places. One round trip.
    #[tracing::instrument(name = "knowledge.known_candidates", skip_all, fields(candidates = candidates.len()))]
    pub async fn known_candidates(&self, candidates: &[&Candidate]) -> Result<Vec<bool>> {
        let keys: Vec<_> =
            candidates.iter().map(|candidate| (candidate.project(), candidate.content_hash())).collect();
        let known = self.known_of(&keys).await?;
        Ok(keys
            .iter()
            .map(|(project, hash)| known.contains_key(&((*project).clone(), (*hash).clone())))
            .collect())
    }
}

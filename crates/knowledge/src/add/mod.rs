mod batch;
mod insert;
mod known;
mod prepare;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::near::{Near, NearDuplicate};
use crate::{ContentHash, EntryRef, Project, Result, State, Store};
pub(crate) use prepare::{Prepared, redact_notes};

/// Something to be known from now on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewEntry {
    /// The text.
    pub content: String,
    /// Where it belongs.
    pub project: Project,
    /// `None` for `general`.
    pub knowledge_type: Option<String>,
    /// Its author's own sorting.
    pub category: Option<String>,
    /// Its author's labels.
    pub tags: Vec<String>,
    /// Whatever else there is to note.
    pub metadata: Map<String, Value>,
    /// The session that it comes from.
    pub source_session: Option<String>,
    /// The platform of the agent that it comes from.
    pub source_agent_platform: Option<String>,
    /// From when on it is not found any more; `None` for good.
    pub expires_at: Option<Timestamp>,
    /// Entries of the same project whose place it takes.
    pub supersedes: Vec<EntryRef>,
    /// Whether it waits for [approval](Store::approve) before it is found. What comes from a platform of
    /// [`Options::untrusted_platforms`](crate::Options::untrusted_platforms) does so in any case.
    pub quarantine: bool,
    /// What to do about entries that say nearly the same.
    pub near: Near,
    /// The least similarity at which they do, if not [`Options::near_similarity`](crate::Options::near_similarity).
    pub near_similarity: Option<f32>,
}

/// What became of a [`NewEntry`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Added {
    /// What the entry is known by.
    pub content_hash: ContentHash,
    /// Where it is.
    pub project: Project,
    /// Whether it is new.
    pub outcome: Outcome,
    /// Kinds of secrets that were replaced before storing, one for each replacement.
    pub redacted: Vec<&'static str>,
    /// Whether the text is longer than the model reads: then only its beginning is found by meaning.
    pub truncated: bool,
    /// Whether the entry is found; one that was known before may be hidden.
    pub state: State,
    /// The entries whose place it took.
    pub superseded: Vec<ContentHash>,
    /// Entries that say nearly the same, the most similar first; only where it was asked for.
    pub near_duplicates: Vec<NearDuplicate>,
    /// The hash that the entry had into which this one was merged.
    pub merged: Option<ContentHash>,
}

/// Whether an entry is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was stored just now.
    Added,
    /// The project had this text already; it stays as it is.
    Duplicate,
    /// It became the next version of an entry that said nearly the same.
    Merged,
}

impl NewEntry {
    /// A text for the default project, with nothing else said.
    pub fn new(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }
}

impl Store {
    /// Stores an entry unless its project has the text already. Repeating it is safe.
    ///
    /// One round trip for a duplicate; otherwise two, with the embedding between them and outside any transaction, and
    /// one more where near duplicates are asked for. An expired entry with the same text makes room.
    #[tracing::instrument(name = "knowledge.add", skip_all, fields(project = %entry.project))]
    pub async fn add(&self, entry: NewEntry) -> Result<Added> {
        self.add_prepared(self.prepare(entry)?).await
    }

    pub(super) async fn add_prepared(&self, prepared: Prepared) -> Result<Added> {
        if let Some(state) = self.known(&prepared).await? {
            return self.duplicate(&prepared, state).await;
        }
        let mut repeated = false;
        loop {
            match self.embed_and_insert(&prepared).await {
                Err(error) if self.follows_model(&error, &mut repeated).await? => {}
                done => return done,
            }
        }
    }

    async fn embed_and_insert(&self, prepared: &Prepared) -> Result<Added> {
        let embedding = self.embed(&prepared.entry.content).await?;
        if prepared.entry.near == Near::Merged
            && let Some(added) = self.merge_into_nearest(prepared, &embedding).await?
        {
            return Ok(added);
        }
        let (outcome, superseded) = self.insert(prepared, &embedding).await?;
        self.changed(&prepared.entry.project);
        if outcome == Outcome::Duplicate {
            // Somebody else was faster.
            let state = self.known(prepared).await?.unwrap_or(State::Current);
            return self.duplicate(prepared, state).await;
        }
        let near_duplicates = match prepared.entry.near {
            Near::Unasked => Vec::new(),
            Near::Reported | Near::Merged => self.near_duplicates(prepared, &embedding).await?,
        };
        Ok(Added { superseded, near_duplicates, ..prepared.done(outcome, embedding.truncated) })
    }

    /// A text that is known takes the place of others all the same: the answer to the first request may have been lost.
    async fn duplicate(&self, prepared: &Prepared, state: State) -> Result<Added> {
        let superseded = self.supersede_by_known(prepared, state).await?;
        Ok(Added { state, superseded, ..prepared.done(Outcome::Duplicate, false) })
    }
}

use agent_turbo_db::Client;
use agent_turbo_db::tokio_postgres::error::SqlState;
use agent_turbo_redact::redact;
use jiff::Timestamp;
use pgvector::Vector;
use serde_json::{Map, Value};

use crate::add::redact_notes;
use crate::entry::entry_columns;

use crate::content::{estimate_tokens, normalise, validate};
use crate::filter::{check_label, check_metadata};
use crate::{ContentHash, Entry, EntryRef, Error, Project, Result, Store};

/// What is to be different. `None` leaves a part as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    /// A new text: it is hashed and embedded anew.
    pub content: Option<String>,
    /// A new type.
    pub knowledge_type: Option<String>,
    /// A new category; `Some(None)` for none.
    pub category: Option<Option<String>>,
    /// New tags instead of the old ones.
    pub tags: Option<Vec<String>>,
    /// Members to be set in the metadata; one that is `null` is removed.
    pub metadata: Map<String, Value>,
    /// Another time from which on it is not found any more; `Some(None)` for never. A time that is over hides it at once.
    pub expires_at: Option<Option<Timestamp>>,
}

impl Store {
    /// Changes an entry and returns it; `None` when there is none. Nothing is changed when anything is wrong. What it was
    /// before is kept as a [`Version`](crate::Version).
    #[tracing::instrument(name = "knowledge.update", skip_all, fields(%project, %entry))]
    pub async fn update(
        &self,
        project: &Project,
        entry: &EntryRef,
        mut patch: Patch,
    ) -> Result<Option<Entry>> {
        if patch == Patch::default() {
            return Err(Error::bad_input("the change", "nothing is to be different"));
        }
        if self.0.options.redact {
            let tags = patch.tags.as_deref_mut().unwrap_or_default();
            redact_notes(tags, patch.category.as_mut().and_then(Option::as_mut), &mut patch.metadata);
        }
        self.check_patch(&patch)?;
        let mut repeated = false;
        loop {
            match self.change(project, entry, patch.clone()).await {
                Err(error) if self.follows_model(&error, &mut repeated).await? => {}
                done => return done,
            }
        }
    }

    async fn change(&self, project: &Project, entry: &EntryRef, patch: Patch) -> Result<Option<Entry>> {
        let Some(old) = self.get(project, entry).await? else { return Ok(None) };
        let mut new = old.clone();
        let mut vector = None;
        if let Some(content) = &patch.content {
            let normalised = normalise(content);
            new.content =
                if self.0.options.redact { redact(&normalised).text.into_owned() } else { normalised };
            new.content_hash = ContentHash::of(&new.content);
            new.tokens = Some(estimate_tokens(&new.content));
            if new.content != old.content || old.embedding_model.is_none() {
                let embedding = self.embed(&new.content).await?;
                new.embedding_model = Some(embedding.model.name.clone());
                vector = Some(Vector::from(embedding.vector.to_vec()));
            }
        }
        new.knowledge_type = patch.knowledge_type.unwrap_or(new.knowledge_type);
        new.category = patch.category.unwrap_or(new.category);
        new.tags = patch.tags.unwrap_or(new.tags);
        new.expires_at = patch.expires_at.unwrap_or(new.expires_at);
        if let Value::Object(members) = &mut new.metadata {
            for (key, value) in patch.metadata {
                if value.is_null() {
                    members.remove(&key);
                } else {
                    members.insert(key, value);
                }
            }
        }
        if let (true, Value::Object(members)) = (new.content != old.content, &mut new.metadata) {
            // What somebody says now stands in no document, and does not go with one.
            members.remove(crate::documents::LOCATION_MEMBER);
        }
        let updated = self.write_update(&old, &new, vector.as_ref()).await?;
        self.changed(project);
        Ok(Some(updated))
    }

    fn check_patch(&self, patch: &Patch) -> Result<()> {
        if let Some(content) = &patch.content {
            validate("the text", &normalise(content), self.0.options.max_content_bytes)?;
        }
        for (what, value) in [
            ("the type", patch.knowledge_type.as_deref()),
            ("the category", patch.category.as_ref().and_then(Option::as_deref)),
        ] {
            value.map_or(Ok(()), |value| check_label(what, value))?;
        }
        patch.tags.iter().flatten().try_for_each(|tag| check_label("a tag", tag))?;
        check_metadata(&patch.metadata)
    }

    pub(crate) async fn write_update(
        &self,
        old: &Entry,
        new: &Entry,
        vector: Option<&Vector>,
    ) -> Result<Entry> {
        let writing =
            self.0.db.run("update_knowledge", async |client| write_update(&client, old, new, vector).await);
        writing.await
    }
}

/// `updated_at` is the version: whoever read an older one changes nothing. What was there becomes a row of
/// `knowledge_versions`, by a trigger.
pub(crate) async fn write_update(
    client: &Client,
    old: &Entry,
    new: &Entry,
    vector: Option<&Vector>,
) -> Result<Entry> {
    let written = client
        .row(
            "update_knowledge",
            concat!(
                "-- update_knowledge
                 UPDATE agent_knowledge AS k
                 SET content = $3, content_hash = $4, tokens = $5, knowledge_type = $6, category = $7,
                     tags = $8, metadata = $9, embedding = coalesce($10, k.embedding),
                     embedding_model = CASE WHEN $10 IS NULL THEN k.embedding_model ELSE $11 END,
                     expires_at = $12, updated_at = clock_timestamp()
                 WHERE k.id = $1 AND k.updated_at = $2
                 RETURNING ",
                entry_columns!()
            ),
            &[
                &old.id,
                &old.updated_at,
                &new.content,
                &new.content_hash.as_str(),
                &new.tokens,
                &new.knowledge_type,
                &new.category,
                &new.tags,
                &new.metadata,
                &vector,
                &new.embedding_model,
                &new.expires_at,
            ],
        )
        .await
        .map_err(|error| match error.sqlstate() {
            Some(&SqlState::UNIQUE_VIOLATION) => Error::Exists(new.content_hash.clone()),
            _ => error.into(),
        })?;
    let written = written.as_ref().map(Entry::from_row).transpose()?;
    written.ok_or(Error::ChangedMeanwhile)
}

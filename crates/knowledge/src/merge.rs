use agent_turbo_embed::Embedding;
use pgvector::Vector;
use serde_json::Value;

use crate::add::{Added, NewEntry, Outcome, Prepared};
use crate::content::estimate_tokens;
use crate::near::NearDuplicate;
use crate::{Entry, Error, Result, Store};

/// How often it is tried when others change the same entry.
const ATTEMPTS: usize = 4;

impl Store {
    /// Makes a new text the next version of the entry that says nearly the same; `None` where there is none.
    pub(crate) async fn merge_into_nearest(
        &self,
        prepared: &Prepared,
        embedding: &Embedding,
    ) -> Result<Option<Added>> {
        let project = &prepared.entry.project;
        let vector = Vector::from(embedding.vector.to_vec());
        for _ in 0..ATTEMPTS {
            let mut near = self.near_duplicates(prepared, embedding).await?;
            if near.is_empty() {
                return Ok(None);
            }
            let NearDuplicate { content_hash, .. } = near.remove(0);
            let Some(old) = self.get(project, &(&content_hash).into()).await? else { continue };
            let mut new = united(&old, &prepared.entry);
            new.content_hash = prepared.hash.clone();
            new.embedding_model = Some(embedding.model.name.clone());
            match self.write_update(&old, &new, Some(&vector)).await {
                Ok(_) => {
                    self.changed(project);
                    return Ok(Some(Added {
                        near_duplicates: near,
                        merged: Some(content_hash),
                        ..prepared.done(Outcome::Merged, embedding.truncated)
                    }));
                }
                // Somebody else just stored this very text.
                Err(Error::Exists(_)) => {
                    return Ok(Some(prepared.done(Outcome::Duplicate, embedding.truncated)));
                }
                Err(Error::ChangedMeanwhile) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::ChangedMeanwhile)
    }
}

/// The old entry with the new one's text, and with what is noted beside either; the new one has the last word.
fn united(old: &Entry, new: &NewEntry) -> Entry {
    let mut entry = old.clone();
    entry.content.clone_from(&new.content);
    entry.tokens = Some(estimate_tokens(&new.content));
    if let Some(knowledge_type) = &new.knowledge_type {
        entry.knowledge_type.clone_from(knowledge_type);
    }
    if new.category.is_some() {
        entry.category.clone_from(&new.category);
    }
    for tag in &new.tags {
        if !entry.tags.contains(tag) {
            entry.tags.push(tag.clone());
        }
    }
    if let Value::Object(members) = &mut entry.metadata {
        members.extend(new.metadata.clone());
    }
    // What holds for good in one of them holds for good.
    entry.expires_at = old.expires_at.zip(new.expires_at).map(|(old, new)| old.max(new));
    entry
}

use agent_turbo_db::{self as db, Row, RowExt};
use agent_turbo_redact::redact;
use jiff::Timestamp;
use pgvector::Vector;
use serde::Serialize;
use serde_json::Value;

use crate::add::redact_notes;
use crate::content::{estimate_tokens, normalise};
use crate::query::check_limit;
use crate::{ContentHash, Entry, EntryRef, Error, Project, Result, Store};

/// What an entry was before it was changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Version {
    /// Counts from 1, the oldest.
    pub version: i32,
    /// What the entry was known by.
    pub content_hash: ContentHash,
    /// The text.
    pub content: String,
    /// The type.
    pub knowledge_type: String,
    /// Its author's own sorting.
    pub category: Option<String>,
    /// Its author's labels.
    pub tags: Vec<String>,
    /// Whatever else was noted: a JSON object.
    pub metadata: Value,
    /// When the next version took its place.
    pub replaced_at: Timestamp,
}

/// An entry and what it was before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Versions {
    /// The entry as it is now.
    pub entry: Entry,
    /// The number that this one would have as a version.
    pub current: i32,
    /// Earlier versions, newest first.
    pub versions: Vec<Version>,
    /// What to pass as `before` to go on; `None` at the end.
    pub next: Option<i32>,
}

impl Store {
    /// Up to `limit` earlier versions of an entry, newest first, from before version `before` on; `None` when there is no
    /// such entry. A hash that the entry had earlier names it as well, where no entry has it now.
    #[tracing::instrument(name = "knowledge.versions", skip_all, fields(%project, %entry))]
    pub async fn versions(
        &self,
        project: &Project,
        entry: &EntryRef,
        limit: usize,
        before: Option<i32>,
    ) -> Result<Option<Versions>> {
        let limit = check_limit(limit)?;
        let Some(entry) = self.known_as(project, entry).await? else { return Ok(None) };
        let rows = self
            .0
            .db
            .query(
                "knowledge_versions",
                "-- knowledge_versions
                 SELECT version, content_hash, content, knowledge_type, category, tags, metadata, replaced_at
                 FROM knowledge_versions WHERE knowledge_id = $1 AND version < $2
                 ORDER BY version DESC LIMIT $3",
                &[&entry.id, &before.unwrap_or(i32::MAX), &limit],
            )
            .await?;
        let versions = rows.iter().map(Version::from_row).collect::<db::Result<Vec<_>>>()?;
        let newest = match (before, versions.first()) {
            (None, newest) => newest.map_or(0, |newest| newest.version),
            (Some(_), _) => self.newest_version(&entry).await?.unwrap_or(0),
        };
        let next = versions.last().filter(|last| last.version > 1 && versions.len() as i64 == limit);
        let next = next.map(|last| last.version);
        Ok(Some(Versions { entry, current: newest + 1, versions, next }))
    }

    /// Makes an earlier version the current one again, the newest where none is named, and returns the entry; `None` when
    /// there is no such entry. What it replaces becomes a version. The text is embedded anew, and secrets that are
    /// recognised by now are replaced.
    ///
    /// # Errors
    /// [`Error::NoVersion`] where there is no such version.
    #[tracing::instrument(name = "knowledge.revert", skip_all, fields(%project, %entry))]
    pub async fn revert(
        &self,
        project: &Project,
        entry: &EntryRef,
        to: Option<i32>,
    ) -> Result<Option<Entry>> {
        let mut repeated = false;
        loop {
            match self.go_back(project, entry, to).await {
                Err(error) if self.follows_model(&error, &mut repeated).await? => {}
                done => return done,
            }
        }
    }

    async fn go_back(&self, project: &Project, entry: &EntryRef, to: Option<i32>) -> Result<Option<Entry>> {
        let Some(old) = self.known_as(project, entry).await? else { return Ok(None) };
        let wanted = match to {
            Some(version) => Some(version),
            None => self.newest_version(&old).await?,
        };
        let missing = || Error::NoVersion { entry: old.content_hash.clone(), version: to };
        let version = self.version(&old, wanted.ok_or_else(missing)?).await?.ok_or_else(missing)?;
        let mut new = old.clone();
        new.content = normalise(&version.content);
        (new.knowledge_type, new.category) = (version.knowledge_type, version.category);
        (new.tags, new.metadata) = (version.tags, version.metadata);
        if self.0.options.redact {
            new.content = redact(&new.content).text.into_owned();
            if let Value::Object(metadata) = &mut new.metadata {
                redact_notes(&mut new.tags, new.category.as_mut(), metadata);
            }
        }
        new.content_hash = ContentHash::of(&new.content);
        new.tokens = Some(estimate_tokens(&new.content));
        let mut vector = None;
        if new.content != old.content || old.embedding_model.is_none() {
            let embedding = self.embed(&new.content).await?;
            new.embedding_model = Some(embedding.model.name.clone());
            vector = Some(Vector::from(embedding.vector.to_vec()));
        }
        let reverted = self.write_update(&old, &new, vector.as_ref()).await?;
        self.changed(project);
        Ok(Some(reverted))
    }

    /// The entry that has this hash, else the one that had it.
    async fn known_as(&self, project: &Project, entry: &EntryRef) -> Result<Option<Entry>> {
        if let Some(found) = self.get(project, entry).await? {
            return Ok(Some(found));
        }
        let (from, to) = entry.range();
        let rows = self
            .0
            .db
            .query(
                "formerly_known_as",
                "-- formerly_known_as
                 SELECT DISTINCT k.content_hash FROM knowledge_versions AS v
                 JOIN agent_knowledge AS k ON k.id = v.knowledge_id
                 WHERE k.project = $1 AND v.content_hash >= $2 AND v.content_hash < $3
                 ORDER BY k.content_hash LIMIT 2",
                &[&project.as_str(), &from, &to],
            )
            .await?;
        match &rows[..] {
            [] => Ok(None),
            [row] => {
                let hash = ContentHash::from_row(row.column("content_hash")?);
                self.get(project, &(&hash).into()).await
            }
            _ => Err(Error::Ambiguous(entry.clone())),
        }
    }

    async fn newest_version(&self, entry: &Entry) -> Result<Option<i32>> {
        let row = self
            .0
            .db
            .query_opt(
                "newest_version",
                "-- newest_version
                 SELECT max(version) AS version FROM knowledge_versions WHERE knowledge_id = $1",
                &[&entry.id],
            )
            .await?;
        Ok(row.map(|row| row.column("version")).transpose()?.flatten())
    }

    async fn version(&self, entry: &Entry, version: i32) -> Result<Option<Version>> {
        let row = self
            .0
            .db
            .query_opt(
                "knowledge_version",
                "-- knowledge_version
                 SELECT version, content_hash, content, knowledge_type, category, tags, metadata, replaced_at
                 FROM knowledge_versions WHERE knowledge_id = $1 AND version = $2",
                &[&entry.id, &version],
            )
            .await?;
        Ok(row.as_ref().map(Version::from_row).transpose()?)
    }
}

impl Version {
    pub(crate) fn from_row(row: &Row) -> db::Result<Self> {
        Ok(Self {
            version: row.column("version")?,
            content_hash: ContentHash::from_row(row.column("content_hash")?),
            content: row.column("content")?,
            knowledge_type: row.column("knowledge_type")?,
            category: row.column("category")?,
            tags: row.column("tags")?,
            metadata: row.column("metadata")?,
            replaced_at: row.column("replaced_at")?,
        })
    }
}

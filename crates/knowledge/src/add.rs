use std::collections::{HashMap, HashSet};

use agent_turbo_db::RowExt;
use agent_turbo_embed::Embedding;
use agent_turbo_redact::redact;
use pgvector::Vector;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::content::{estimate_tokens, normalise, validate};
use crate::filter::{check_label, check_metadata};
use crate::import::History;
use crate::{ContentHash, Project, Result, Store};

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
}

/// What became of a [`NewEntry`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
}

/// Whether an entry is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was stored just now.
    Added,
    /// The project had this text already; nothing was changed.
    Duplicate,
}

/// A new entry after all checks.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) entry: NewEntry,
    pub(crate) hash: ContentHash,
    pub(crate) redacted: Vec<&'static str>,
    pub(crate) history: History,
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
    /// One round trip for a duplicate; otherwise two, with the embedding between them and outside any transaction.
    #[tracing::instrument(name = "knowledge.add", skip_all, fields(project = %entry.project))]
    pub async fn add(&self, entry: NewEntry) -> Result<Added> {
        let prepared = self.prepare(entry)?;
        if self.is_known(&prepared).await? {
            return Ok(prepared.done(Outcome::Duplicate, false));
        }
        let embedding = self.0.embed.embed(&prepared.entry.content).await?;
        self.adopt_model(&embedding.model).await?;
        let outcome = self.insert(&prepared, &embedding).await?;
        self.changed(&prepared.entry.project);
        Ok(prepared.done(outcome, embedding.truncated))
    }

    /// Stores many entries, in their order; each succeeds or fails by itself. The outer error means that database or
    /// embedding service cannot be used at all; what was stored until then stays, and repeating the call is safe.
    #[tracing::instrument(name = "knowledge.add_batch", skip_all, fields(entries = entries.len()))]
    pub async fn add_batch(&self, entries: Vec<NewEntry>) -> Result<Vec<Result<Added>>> {
        let mut results: Vec<Option<Result<Added>>> = Vec::with_capacity(entries.len());
        let mut prepared = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            match self.prepare(entry) {
                Ok(entry) => {
                    prepared.push((index, entry));
                    results.push(None);
                }
                Err(error) => results.push(Some(Err(error))),
            }
        }
        for chunk in in_chunks(prepared) {
            self.add_chunk(chunk, &mut results).await?;
        }
        Ok(results.into_iter().flatten().collect())
    }

    async fn add_chunk(
        &self,
        mut chunk: Vec<(usize, Prepared)>,
        results: &mut [Option<Result<Added>>],
    ) -> Result<()> {
        let keys: Vec<_> = chunk.iter().map(|(_, entry)| (&entry.entry.project, &entry.hash)).collect();
        let known = self.known_of(&keys).await?;
        // The first of equal texts is added, the others are its duplicates.
        let mut first: HashMap<(Project, ContentHash), usize> = HashMap::new();
        chunk.retain(|(index, entry)| {
            let key = (entry.entry.project.clone(), entry.hash.clone());
            let is_new = !known.contains(&key) && *first.entry(key).or_insert(*index) == *index;
            if !is_new {
                results[*index] = Some(Ok(entry.done(Outcome::Duplicate, false)));
            }
            is_new
        });
        let texts: Vec<&str> = chunk.iter().map(|(_, entry)| entry.entry.content.as_str()).collect();
        let embeddings = self.0.embed.embed_batch(&texts).await?;
        let mut rows = Vec::with_capacity(chunk.len());
        for ((index, entry), embedding) in chunk.into_iter().zip(embeddings) {
            match embedding {
                Ok(embedding) => rows.push((index, entry, embedding)),
                Err(error) => results[index] = Some(Err(error.into())),
            }
        }
        let Some((_, _, embedding)) = rows.first() else { return Ok(()) };
        self.adopt_model(&embedding.model).await?;
        let inserted: Vec<_> = rows.iter().map(|(_, entry, embedding)| (entry, embedding)).collect();
        let outcomes = self.insert_many(&inserted).await?;
        for ((index, entry, embedding), outcome) in rows.iter().zip(outcomes) {
            results[*index] = Some(Ok(entry.done(outcome, embedding.truncated)));
            self.changed(&entry.entry.project);
        }
        Ok(())
    }

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
        let type_and_category = [("the type", &entry.knowledge_type), ("the category", &entry.category)];
        let source = [("the session", &entry.source_session), ("the platform", &entry.source_agent_platform)];
        for (what, value) in type_and_category.into_iter().chain(source) {
            value.as_deref().map_or(Ok(()), |value| check_label(what, value))?;
        }
        entry.tags.iter().try_for_each(|tag| check_label("a tag", tag))?;
        check_metadata(&entry.metadata)?;
        let hash = ContentHash::of(&entry.content);
        Ok(Prepared { entry, hash, redacted, history: History::default() })
    }

    async fn is_known(&self, prepared: &Prepared) -> Result<bool> {
        let row = self
            .0
            .db
            .query_opt(
                "is_known",
                "-- is_known
                 SELECT 1 FROM agent_knowledge WHERE project = $1 AND content_hash = $2",
                &[&prepared.entry.project.as_str(), &prepared.hash.as_str()],
            )
            .await?;
        Ok(row.is_some())
    }

    pub(crate) async fn known_of(
        &self,
        keys: &[(&Project, &ContentHash)],
    ) -> Result<HashSet<(Project, ContentHash)>> {
        let (projects, hashes): (Vec<&str>, Vec<&str>) =
            keys.iter().map(|(project, hash)| (project.as_str(), hash.as_str())).unzip();
        let rows = self
            .0
            .db
            .query(
                "known_of",
                "-- known_of
                 SELECT k.project, k.content_hash
                 FROM unnest($1::text[], $2::text[]) AS n (project, content_hash)
                 JOIN agent_knowledge AS k USING (project, content_hash)",
                &[&projects, &hashes],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let project: String = row.column("project")?;
                Ok((project.parse()?, ContentHash::from_row(row.column("content_hash")?)))
            })
            .collect()
    }

    /// `ON CONFLICT DO NOTHING` decides between two that add the same text at the same time.
    async fn insert(&self, prepared: &Prepared, embedding: &Embedding) -> Result<Outcome> {
        let entry = &prepared.entry;
        let inserted = self
            .0
            .db
            .execute(
                "insert_knowledge",
                "-- insert_knowledge
                 INSERT INTO agent_knowledge
                     (project, content_hash, content, embedding, embedding_model, knowledge_type, category, tags,
                      metadata, source_session, source_agent_platform, tokens)
                 VALUES ($1, $2, $3, $4, $5, coalesce($6, 'general'), $7, $8, $9, $10, $11, $12)
                 ON CONFLICT (project, content_hash) DO NOTHING",
                &[
                    &entry.project.as_str(),
                    &prepared.hash.as_str(),
                    &entry.content,
                    &Vector::from(embedding.vector.to_vec()),
                    &embedding.model.name,
                    &entry.knowledge_type,
                    &entry.category,
                    &entry.tags,
                    &Value::Object(entry.metadata.clone()),
                    &entry.source_session,
                    &entry.source_agent_platform,
                    &estimate_tokens(&entry.content),
                ],
            )
            .await?;
        Ok(if inserted == 1 { Outcome::Added } else { Outcome::Duplicate })
    }

    /// One statement for all rows: arrays for the columns, JSON for what arrays cannot nest.
    pub(crate) async fn insert_many(&self, rows: &[(&Prepared, &Embedding)]) -> Result<Vec<Outcome>> {
        let column = |pick: &dyn Fn(&NewEntry) -> Option<String>| -> Vec<Option<String>> {
            rows.iter().map(|(prepared, _)| pick(&prepared.entry)).collect()
        };
        let projects = column(&|entry| Some(entry.project.to_string()));
        let contents = column(&|entry| Some(entry.content.clone()));
        let types =
            column(&|entry| Some(entry.knowledge_type.clone().unwrap_or_else(|| "general".to_owned())));
        let categories = column(&|entry| entry.category.clone());
        let sessions = column(&|entry| entry.source_session.clone());
        let platforms = column(&|entry| entry.source_agent_platform.clone());
        let hashes: Vec<&str> = rows.iter().map(|(prepared, _)| prepared.hash.as_str()).collect();
        let vectors: Vec<Vector> =
            rows.iter().map(|(_, embedding)| Vector::from(embedding.vector.to_vec())).collect();
        let models: Vec<&str> = rows.iter().map(|(_, embedding)| embedding.model.name.as_str()).collect();
        let tags: Vec<Value> = rows.iter().map(|(prepared, _)| prepared.entry.tags.clone().into()).collect();
        let metadata: Vec<Value> =
            rows.iter().map(|(prepared, _)| Value::Object(prepared.entry.metadata.clone())).collect();
        let tokens: Vec<i32> =
            rows.iter().map(|(prepared, _)| estimate_tokens(&prepared.entry.content)).collect();
        let created: Vec<_> = rows.iter().map(|(prepared, _)| prepared.history.created_at).collect();
        let counts: Vec<i64> =
            rows.iter().map(|(prepared, _)| prepared.history.access_count.max(0)).collect();
        let accessed: Vec<_> = rows.iter().map(|(prepared, _)| prepared.history.last_accessed).collect();
        let inserted = self
            .0
            .db
            .query(
                "insert_knowledge_batch",
                "-- insert_knowledge_batch
                 INSERT INTO agent_knowledge
                     (project, content_hash, content, embedding, embedding_model, knowledge_type, category, tags,
                      metadata, source_session, source_agent_platform, tokens, created_at, access_count,
                      last_accessed)
                 SELECT project, content_hash, content, embedding, model, knowledge_type, category,
                        ARRAY(SELECT jsonb_array_elements_text(tags)), metadata, session, platform, tokens,
                        coalesce(created, now()), accesses, accessed
                 FROM unnest($1::text[], $2::text[], $3::text[], $4::vector[], $5::text[], $6::text[], $7::text[],
                             $8::jsonb[], $9::jsonb[], $10::text[], $11::text[], $12::integer[],
                             $13::timestamptz[], $14::bigint[], $15::timestamptz[])
                      WITH ORDINALITY
                      AS n (project, content_hash, content, embedding, model, knowledge_type, category, tags,
                            metadata, session, platform, tokens, created, accesses, accessed, position)
                 -- One order for all writers: two batches never wait for each other in a circle.
                 ORDER BY project, content_hash, position
                 ON CONFLICT (project, content_hash) DO NOTHING
                 RETURNING project, content_hash",
                &[
                    &projects, &hashes, &contents, &vectors, &models, &types, &categories, &tags, &metadata,
                    &sessions, &platforms, &tokens, &created, &counts, &accessed,
                ],
            )
            .await?;
        let inserted: HashSet<(&str, &str)> = inserted
            .iter()
            .map(|row| Ok((row.column("project")?, row.column("content_hash")?)))
            .collect::<Result<_>>()?;
        Ok(rows
            .iter()
            .map(|(prepared, _)| {
                let key = (prepared.entry.project.as_str(), prepared.hash.as_str());
                if inserted.contains(&key) { Outcome::Added } else { Outcome::Duplicate }
            })
            .collect())
    }
}

impl Prepared {
    fn done(&self, outcome: Outcome, truncated: bool) -> Added {
        Added {
            content_hash: self.hash.clone(),
            project: self.entry.project.clone(),
            outcome,
            redacted: self.redacted.clone(),
            truncated,
        }
    }
}

/// Bounds what one statement carries: in rows and in bytes.
fn in_chunks(entries: Vec<(usize, Prepared)>) -> Vec<Vec<(usize, Prepared)>> {
    const MAX_ROWS: usize = 256;
    const MAX_BYTES: usize = 4 << 20;
    let mut chunks: Vec<Vec<(usize, Prepared)>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let size = entry.1.entry.content.len();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < MAX_ROWS && bytes + size <= MAX_BYTES => {
                bytes += size;
                chunk.push(entry);
            }
            _ => {
                bytes = size;
                chunks.push(vec![entry]);
            }
        }
    }
    chunks
}

use std::collections::{HashMap, HashSet};

use agent_turbo_db::RowExt;
use agent_turbo_db::types::ToSql;
use agent_turbo_embed::Embedding;
use agent_turbo_redact::{redact, redact_json};
use jiff::Timestamp;
use pgvector::Vector;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::content::{estimate_tokens, normalise, validate};
use crate::filter::{check_label, check_metadata};
use crate::import::History;
use crate::near::{Near, NearDuplicate};
use crate::supersede::{Successor, supersede_all};
use crate::{ContentHash, EntryRef, Error, Project, Result, State, Store};

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

    async fn add_prepared(&self, prepared: Prepared) -> Result<Added> {
        if let Some(state) = self.known(&prepared).await? {
            return self.duplicate(prepared, state).await;
        }
        let embedding = self.0.embed.embed(&prepared.entry.content).await?;
        self.adopt_model(&embedding.model).await?;
        if prepared.entry.near == Near::Merged
            && let Some(added) = self.merge_into_nearest(&prepared, &embedding).await?
        {
            return Ok(added);
        }
        let (outcome, superseded) = self.insert(&prepared, &embedding).await?;
        self.changed(&prepared.entry.project);
        if outcome == Outcome::Duplicate {
            // Somebody else was faster.
            let state = self.known(&prepared).await?.unwrap_or(State::Current);
            return self.duplicate(prepared, state).await;
        }
        let near_duplicates = match prepared.entry.near {
            Near::Unasked => Vec::new(),
            Near::Reported | Near::Merged => self.near_duplicates(&prepared, &embedding).await?,
        };
        Ok(Added { superseded, near_duplicates, ..prepared.done(outcome, embedding.truncated) })
    }

    /// A text that is known takes the place of others all the same: the answer to the first request may have been lost.
    async fn duplicate(&self, prepared: Prepared, state: State) -> Result<Added> {
        let superseded = self.supersede_by_known(&prepared, state).await?;
        Ok(Added { state, superseded, ..prepared.done(Outcome::Duplicate, false) })
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
        // What is to be looked at beside the text itself is added alone, in its turn.
        let mut plain = Vec::new();
        for (index, entry) in prepared {
            if entry.entry.near == Near::Unasked && entry.entry.supersedes.is_empty() {
                plain.push((index, entry));
                continue;
            }
            self.add_plain(std::mem::take(&mut plain), &mut results).await?;
            results[index] = Some(match self.add_prepared(entry).await {
                Err(error @ Error::Database(_)) => return Err(error),
                Err(Error::Embedding(error)) if error.is_unavailable() => return Err(error.into()),
                result => result,
            });
        }
        self.add_plain(plain, &mut results).await?;
        Ok(results.into_iter().flatten().collect())
    }

    async fn add_plain(
        &self,
        entries: Vec<(usize, Prepared)>,
        results: &mut [Option<Result<Added>>],
    ) -> Result<()> {
        for chunk in in_chunks(entries) {
            self.add_chunk(chunk, results).await?;
        }
        Ok(())
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
            let state = known.get(&key).copied();
            let is_new = state.is_none() && *first.entry(key).or_insert(*index) == *index;
            if !is_new {
                let done = entry.done(Outcome::Duplicate, false);
                results[*index] = Some(Ok(Added { state: state.unwrap_or(done.state), ..done }));
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

    /// The state of the entry that has this text already. One whose time is over goes, and is none.
    async fn known(&self, prepared: &Prepared) -> Result<Option<State>> {
        let (project, hash) = (prepared.entry.project.as_str(), prepared.hash.as_str());
        let row = self
            .0
            .db
            .query_opt(
                "is_known",
                "-- is_known
                 SELECT quarantined_at IS NOT NULL AS is_quarantined, superseded_by IS NOT NULL AS is_superseded,
                        coalesce(expires_at <= now(), false) AS is_expired
                 FROM agent_knowledge WHERE project = $1 AND content_hash = $2",
                &[&project, &hash],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.column("is_expired")? {
            self.remove_expired(&[project], &[hash]).await?;
            return Ok(None);
        }
        Ok(Some(State::of(row.column("is_quarantined")?, row.column("is_superseded")?, false)))
    }

    pub(crate) async fn known_of(
        &self,
        keys: &[(&Project, &ContentHash)],
    ) -> Result<HashMap<(Project, ContentHash), State>> {
        let (projects, hashes): (Vec<&str>, Vec<&str>) =
            keys.iter().map(|(project, hash)| (project.as_str(), hash.as_str())).unzip();
        let rows = self
            .0
            .db
            .query(
                "known_of",
                "-- known_of
                 SELECT k.project, k.content_hash, k.quarantined_at IS NOT NULL AS is_quarantined,
                        k.superseded_by IS NOT NULL AS is_superseded,
                        coalesce(k.expires_at <= now(), false) AS is_expired
                 FROM unnest($1::text[], $2::text[]) AS n (project, content_hash)
                 JOIN agent_knowledge AS k USING (project, content_hash)",
                &[&projects, &hashes],
            )
            .await?;
        let mut known = HashMap::new();
        let mut has_expired = false;
        for row in &rows {
            if row.column("is_expired")? {
                has_expired = true;
                continue;
            }
            let key = (
                row.column::<String>("project")?.parse()?,
                ContentHash::from_row(row.column("content_hash")?),
            );
            known.insert(key, State::of(row.column("is_quarantined")?, row.column("is_superseded")?, false));
        }
        if has_expired {
            self.remove_expired(&projects, &hashes).await?;
        }
        Ok(known)
    }

    /// Those of the texts whose time is over make room for the same text.
    async fn remove_expired(&self, projects: &[&str], hashes: &[&str]) -> Result<()> {
        self.0
            .db
            .execute(
                "remove_expired",
                "-- remove_expired
                 DELETE FROM agent_knowledge AS k
                 USING unnest($1::text[], $2::text[]) AS n (project, content_hash)
                 WHERE k.project = n.project AND k.content_hash = n.content_hash AND k.expires_at <= now()",
                &[&projects, &hashes],
            )
            .await?;
        Ok(())
    }

    /// `ON CONFLICT DO NOTHING` decides between two that add the same text at the same time. Where it takes the place of
    /// others, that happens in the same transaction.
    async fn insert(
        &self,
        prepared: &Prepared,
        embedding: &Embedding,
    ) -> Result<(Outcome, Vec<ContentHash>)> {
        let entry = &prepared.entry;
        let sql = "-- insert_knowledge
                 INSERT INTO agent_knowledge
                     (project, content_hash, content, embedding, embedding_model, knowledge_type, category, tags,
                      metadata, source_session, source_agent_platform, tokens, expires_at, quarantined_at,
                      quarantine_reason)
                 VALUES ($1, $2, $3, $4, $5, coalesce($6, 'general'), $7, $8, $9, $10, $11, $12, $13,
                         CASE WHEN $14::text IS NOT NULL THEN now() END, $14)
                 ON CONFLICT (project, content_hash) DO NOTHING
                 RETURNING id";
        let (project, vector) = (entry.project.as_str(), Vector::from(embedding.vector.to_vec()));
        let (metadata, tokens) = (Value::Object(entry.metadata.clone()), estimate_tokens(&entry.content));
        let hash = prepared.hash.as_str();
        let params: [&(dyn ToSql + Sync); 14] = [
            &project,
            &hash,
            &entry.content,
            &vector,
            &embedding.model.name,
            &entry.knowledge_type,
            &entry.category,
            &entry.tags,
            &metadata,
            &entry.source_session,
            &entry.source_agent_platform,
            &tokens,
            &entry.expires_at,
            &prepared.quarantine,
        ];
        if entry.supersedes.is_empty() {
            let inserted = self.0.db.query_opt("insert_knowledge", sql, &params).await?;
            return Ok((inserted.map_or(Outcome::Duplicate, |_| Outcome::Added), Vec::new()));
        }
        self.0
            .db
            .run_tx("add_and_supersede", async |client| {
                let Some(row) = client.row("insert_knowledge", sql, &params).await? else {
                    return Ok((Outcome::Duplicate, Vec::new()));
                };
                let by = Successor { id: row.column("id")?, hash: prepared.hash.clone() };
                Ok((Outcome::Added, supersede_all(&client, &entry.project, &entry.supersedes, &by).await?))
            })
            .await
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
        let expiries: Vec<_> = rows.iter().map(|(prepared, _)| prepared.entry.expires_at).collect();
        let quarantines: Vec<_> = rows.iter().map(|(prepared, _)| prepared.quarantine.as_deref()).collect();
        let inserted = self
            .0
            .db
            .query(
                "insert_knowledge_batch",
                "-- insert_knowledge_batch
                 INSERT INTO agent_knowledge
                     (project, content_hash, content, embedding, embedding_model, knowledge_type, category, tags,
                      metadata, source_session, source_agent_platform, tokens, created_at, access_count,
                      last_accessed, expires_at, quarantined_at, quarantine_reason)
                 SELECT project, content_hash, content, embedding, model, knowledge_type, category,
                        ARRAY(SELECT jsonb_array_elements_text(tags)), metadata, session, platform, tokens,
                        coalesce(created, now()), accesses, accessed, expiry,
                        CASE WHEN quarantine IS NOT NULL THEN now() END, quarantine
                 FROM unnest($1::text[], $2::text[], $3::text[], $4::vector[], $5::text[], $6::text[], $7::text[],
                             $8::jsonb[], $9::jsonb[], $10::text[], $11::text[], $12::integer[],
                             $13::timestamptz[], $14::bigint[], $15::timestamptz[], $16::timestamptz[],
                             $17::text[])
                      WITH ORDINALITY
                      AS n (project, content_hash, content, embedding, model, knowledge_type, category, tags,
                            metadata, session, platform, tokens, created, accesses, accessed, expiry, quarantine,
                            position)
                 -- One order for all writers: two batches never wait for each other in a circle.
                 ORDER BY project, content_hash, position
                 ON CONFLICT (project, content_hash) DO NOTHING
                 RETURNING project, content_hash",
                &[
                    &projects, &hashes, &contents, &vectors, &models, &types, &categories, &tags, &metadata,
                    &sessions, &platforms, &tokens, &created, &counts, &accessed, &expiries, &quarantines,
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

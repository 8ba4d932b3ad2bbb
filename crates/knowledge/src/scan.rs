//! Secrets in what is stored already: from before it was looked for them, or written by other programs.

use agent_turbo_db::types::ToSql;
use agent_turbo_db::{self as db, Client, RowExt};
use agent_turbo_redact::{redact, redact_json};
use pgvector::Vector;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::add::redact_notes;
use crate::content::estimate_tokens;
use crate::entry::entry_columns;
use crate::filter::States;
use crate::update::write_update;
use crate::versions::Version;
use crate::{ContentHash, Entry, Error, Filter, Project, Result, Store};

/// A part of what is stored that was looked through.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scan {
    /// Where secrets were found.
    pub findings: Vec<Finding>,
    /// Entries that were looked through.
    pub entries: u64,
    /// Earlier versions that were looked through.
    pub versions: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<ScanCursor>,
}

/// Where a scan goes on: entries come first, then what they were before, so that nothing that is changed meanwhile slips
/// through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanCursor {
    /// After the entry with this id.
    Entries(i64),
    /// After this version of the entry with this id.
    Versions(i64, i32),
}

/// An entry, or what it was before, that holds secrets. They themselves are not told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Where it belongs.
    pub project: String,
    /// What it was known by when it was found.
    pub content_hash: ContentHash,
    /// The version; `None` for the current one.
    pub version: Option<i32>,
    /// Kinds of secrets, one for each.
    pub kinds: Vec<&'static str>,
    /// Where they are.
    pub places: Vec<Place>,
    /// What was done.
    pub remedy: Remedy,
    /// What it is known by now; for one that was removed, the entry that has its text.
    pub now: Option<ContentHash>,
}

/// A part of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The text.
    Content,
    /// Tags and category.
    Labels,
    /// The metadata.
    Metadata,
}

/// What was done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Remedy {
    /// Nothing: the secrets remain.
    None,
    /// The secrets were replaced.
    Redacted,
    /// Without them the text is one that the project has already: the entry was removed.
    Removed,
}

/// Entries, or versions, that one statement reads.
const PAGE: i64 = 100;
/// How often it is tried when others change the same entry.
const ATTEMPTS: usize = 4;

/// What of an entry, or a version, may hold secrets.
struct Parts<'a> {
    content: &'a mut String,
    tags: &'a mut [String],
    category: Option<&'a mut String>,
    metadata: &'a mut Value,
}

impl Store {
    /// Looks through a page of what is stored, in one project or in all, whether it is found or not; with `fix` it
    /// replaces the secrets: texts get new hashes and vectors, and no version keeps what was replaced.
    #[tracing::instrument(name = "knowledge.scan_secrets", skip_all)]
    pub async fn scan_secrets(
        &self,
        project: Option<&Project>,
        after: Option<ScanCursor>,
        fix: bool,
    ) -> Result<Scan> {
        let filter = Filter { project: project.cloned(), states: States::All, ..Filter::default() };
        match after.unwrap_or(ScanCursor::Entries(i64::MIN)) {
            ScanCursor::Entries(id) => self.scan_entries(&filter, id, fix).await,
            ScanCursor::Versions(id, version) => self.scan_versions(&filter, id, version, fix).await,
        }
    }

    async fn scan_entries(&self, filter: &Filter, after: i64, fix: bool) -> Result<Scan> {
        let conditions = filter.conditions(3)?;
        let sql = format!(
            "-- scan_entries\nSELECT {} FROM agent_knowledge AS k WHERE k.id > $1{} ORDER BY k.id LIMIT $2",
            entry_columns!(),
            conditions.sql,
        );
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&after, &PAGE];
        params.extend(conditions.params.iter().map(|param| &**param as &(dyn ToSql + Sync)));
        let rows = self.0.db.query("scan_entries", &sql, &params).await?;
        let entries = rows.iter().map(Entry::from_row).collect::<db::Result<Vec<_>>>()?;
        let last = entries.last().filter(|_| entries.len() as i64 == PAGE).map(|entry| entry.id);
        let (count, mut findings) = (entries.len() as u64, Vec::new());
        for entry in entries {
            findings.extend(self.scan_entry(entry, fix).await?);
        }
        let next = Some(last.map_or(ScanCursor::Versions(i64::MIN, 0), ScanCursor::Entries));
        Ok(Scan { findings, entries: count, versions: 0, next })
    }

    async fn scan_entry(&self, mut entry: Entry, fix: bool) -> Result<Option<Finding>> {
        let mut repeated = false;
        for _ in 0..ATTEMPTS {
            let mut clean = entry.clone();
            let (kinds, places) = parts_of_entry(&mut clean).redact();
            if kinds.is_empty() {
                return Ok(None);
            }
            let mut finding = Finding {
                project: entry.project.clone(),
                content_hash: entry.content_hash.clone(),
                version: None,
                kinds,
                places,
                remedy: Remedy::None,
                now: None,
            };
            if !fix {
                return Ok(Some(finding));
            }
            match self.write_clean(&entry, clean).await {
                Ok((remedy, now)) => {
                    (finding.remedy, finding.now) = (remedy, Some(now));
                    if let Ok(project) = entry.project.parse() {
                        self.changed(&project);
                    }
                    return Ok(Some(finding));
                }
                Err(Error::ChangedMeanwhile) => match self.entry_by_id(entry.id).await? {
                    Some(changed) => entry = changed,
                    None => return Ok(None),
                },
                Err(error) if self.follows_model(&error, &mut repeated).await? => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    async fn write_clean(&self, old: &Entry, mut clean: Entry) -> Result<(Remedy, ContentHash)> {
        let mut vector = None;
        if clean.content != old.content {
            clean.content_hash = ContentHash::of(&clean.content);
            clean.tokens = Some(estimate_tokens(&clean.content));
            let embedding = self.embed(&clean.content).await?;
            clean.embedding_model = Some(embedding.model.name.clone());
            vector = Some(Vector::from(embedding.vector.to_vec()));
        }
        let written = self
            .0
            .db
            .run_tx("redact_entry", async |client| {
                client
                    .row(
                        "forget_version",
                        "-- forget_version
                         SELECT set_config('agent_turbo.forget_version', 'on', true)",
                        &[],
                    )
                    .await?;
                write_update(&client, old, &clean, vector.as_ref()).await
            })
            .await;
        match written {
            Ok(written) => Ok((Remedy::Redacted, written.content_hash)),
            Err(Error::Exists(hash)) => {
                self.0.db.run_tx("remove_redacted", async |client| remove(&client, old, &hash).await).await?;
                Ok((Remedy::Removed, hash))
            }
            Err(error) => Err(error),
        }
    }

    async fn entry_by_id(&self, id: i64) -> Result<Option<Entry>> {
        let row = self
            .0
            .db
            .query_opt(
                "entry_by_id",
                concat!(
                    "-- entry_by_id\nSELECT ",
                    entry_columns!(),
                    " FROM agent_knowledge AS k WHERE k.id = $1"
                ),
                &[&id],
            )
            .await?;
        Ok(row.as_ref().map(Entry::from_row).transpose()?)
    }

    async fn scan_versions(&self, filter: &Filter, id: i64, version: i32, fix: bool) -> Result<Scan> {
        let conditions = filter.conditions(4)?;
        let sql = format!(
            "-- scan_versions
             SELECT v.knowledge_id, k.project, v.version, v.content_hash, v.content, v.knowledge_type, v.category,
                    v.tags, v.metadata, v.replaced_at
             FROM knowledge_versions AS v JOIN agent_knowledge AS k ON k.id = v.knowledge_id
             WHERE (v.knowledge_id, v.version) > ($1, $2){}
             ORDER BY v.knowledge_id, v.version LIMIT $3",
            conditions.sql,
        );
        let mut params: Vec<&(dyn ToSql + Sync)> = vec![&id, &version, &PAGE];
        params.extend(conditions.params.iter().map(|param| &**param as &(dyn ToSql + Sync)));
        let rows = self.0.db.query("scan_versions", &sql, &params).await?;
        let mut findings = Vec::new();
        let mut next = None;
        for row in &rows {
            let (id, old) = (row.column("knowledge_id")?, Version::from_row(row)?);
            next = Some(ScanCursor::Versions(id, old.version));
            let mut clean = old.clone();
            let (kinds, places) = parts_of_version(&mut clean).redact();
            if kinds.is_empty() {
                continue;
            }
            let mut finding = Finding {
                project: row.column("project")?,
                content_hash: old.content_hash.clone(),
                version: Some(old.version),
                kinds,
                places,
                remedy: Remedy::None,
                now: None,
            };
            if fix {
                if clean.content != old.content {
                    clean.content_hash = ContentHash::of(&clean.content);
                }
                self.write_clean_version(id, &clean).await?;
                (finding.remedy, finding.now) = (Remedy::Redacted, Some(clean.content_hash));
            }
            findings.push(finding);
        }
        let next = next.filter(|_| rows.len() as i64 == PAGE);
        Ok(Scan { findings, entries: 0, versions: rows.len() as u64, next })
    }

    /// A version does not change otherwise; one that is gone holds no secret any more.
    async fn write_clean_version(&self, id: i64, clean: &Version) -> Result<()> {
        self.0
            .db
            .execute(
                "redact_version",
                "-- redact_version
                 UPDATE knowledge_versions
                 SET content_hash = $3, content = $4, category = $5, tags = $6, metadata = $7
                 WHERE knowledge_id = $1 AND version = $2",
                &[
                    &id,
                    &clean.version,
                    &clean.content_hash.as_str(),
                    &clean.content,
                    &clean.category,
                    &clean.tags,
                    &clean.metadata,
                ],
            )
            .await?;
        Ok(())
    }
}

/// Removes an entry for the one that has its text; whom it superseded, that one supersedes.
async fn remove(client: &Client, old: &Entry, same: &ContentHash) -> Result<()> {
    client
        .change(
            "hand_over",
            "-- hand_over
             UPDATE agent_knowledge AS k SET superseded_by = same.id
             FROM agent_knowledge AS same
             WHERE k.superseded_by = $1 AND same.project = $2 AND same.content_hash = $3 AND same.id <> k.id",
            &[&old.id, &old.project, &same.as_str()],
        )
        .await?;
    let removed = client
        .change(
            "remove_redacted",
            "-- remove_redacted
             DELETE FROM agent_knowledge WHERE id = $1 AND updated_at = $2",
            &[&old.id, &old.updated_at],
        )
        .await?;
    if removed == 1 { Ok(()) } else { Err(Error::ChangedMeanwhile) }
}

fn parts_of_entry(entry: &mut Entry) -> Parts<'_> {
    Parts {
        content: &mut entry.content,
        tags: &mut entry.tags,
        category: entry.category.as_mut(),
        metadata: &mut entry.metadata,
    }
}

fn parts_of_version(version: &mut Version) -> Parts<'_> {
    Parts {
        content: &mut version.content,
        tags: &mut version.tags,
        category: version.category.as_mut(),
        metadata: &mut version.metadata,
    }
}

impl Parts<'_> {
    /// Takes the secrets out: what was found, and where.
    fn redact(self) -> (Vec<&'static str>, Vec<Place>) {
        let Self { content, tags, category, metadata } = self;
        let clean = redact(content);
        let in_content = clean.kinds;
        if !in_content.is_empty() {
            *content = clean.text.into_owned();
        }
        let in_labels = redact_notes(tags, category, &mut Map::new());
        let in_metadata = redact_json(metadata);
        let (mut kinds, mut places) = (Vec::new(), Vec::new());
        let found =
            [(Place::Content, in_content), (Place::Labels, in_labels), (Place::Metadata, in_metadata)];
        for (place, found) in found {
            if !found.is_empty() {
                places.push(place);
                kinds.extend(found);
            }
        }
        (kinds, places)
    }
}

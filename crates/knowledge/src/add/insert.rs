use std::collections::HashSet;

use agent_turbo_db::RowExt;
use agent_turbo_db::types::ToSql;
use agent_turbo_embed::Embedding;
use pgvector::Vector;
use serde_json::Value;

use super::{NewEntry, Outcome, Prepared};
use crate::content::estimate_tokens;
use crate::supersede::{Successor, supersede_all};
use crate::{ContentHash, Result, Store};

impl Store {
    /// `ON CONFLICT DO NOTHING` decides between two that add the same text at the same time. Where it takes the place of
    /// others, that happens in the same transaction.
    pub(super) async fn insert(
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

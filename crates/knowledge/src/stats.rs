use agent_turbo_db::RowExt;
use jiff::Timestamp;
use serde::Serialize;

use crate::{Project, RecallGauge, Result, Store};

/// What a store, or one project of it, holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// Entries.
    pub entries: i64,
    /// Those of them that are found: not superseded, in quarantine or expired.
    pub current: i64,
    /// Those of them that have a vector.
    pub embedded: i64,
    /// Tokens of all texts, estimated.
    pub tokens: i64,
    /// Queries' findings so far.
    pub accesses: i64,
    /// When the newest was added.
    pub newest: Option<Timestamp>,
    /// Table and indexes on disk, in bytes, of all projects.
    pub disk_bytes: i64,
    /// Entries by project, the largest first, at most 100.
    pub projects: Vec<Count>,
    /// Entries by type, the most frequent first, at most 100.
    pub knowledge_types: Vec<Count>,
    /// Vectors by model.
    pub models: Vec<Count>,
    /// How much of what there is searches find, in the whole store; `None` while no question was measured.
    pub recall: Option<RecallGauge>,
}

/// A name and how many entries have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The name.
    pub name: String,
    /// The entries.
    pub entries: i64,
}

impl Store {
    /// Counts entries: exactly, so it reads them all.
    #[tracing::instrument(name = "knowledge.stats", skip_all)]
    pub async fn stats(&self, project: Option<&Project>) -> Result<Stats> {
        let project = project.map(Project::as_str);
        let db = &self.0.db;
        let totals = db
            .query(
                "knowledge_stats",
                "-- knowledge_stats
                 SELECT count(*) AS entries,
                        count(*) FILTER (
                            WHERE knowledge_is_found(superseded_by, quarantined_at, expires_at)
                        ) AS current,
                        count(embedding) AS embedded,
                        coalesce(sum(tokens), 0)::bigint AS tokens,
                        coalesce(sum(access_count), 0)::bigint AS accesses, max(created_at) AS newest,
                        pg_total_relation_size('agent_knowledge') AS disk_bytes
                 FROM agent_knowledge WHERE $1::text IS NULL OR project = $1",
                &[&project],
            )
            .await?;
        let groups = db
            .query(
                "knowledge_stats_by_name",
                "-- knowledge_stats_by_name
                 SELECT what, name, entries FROM (
                     SELECT what, name, entries,
                            row_number() OVER (PARTITION BY what ORDER BY entries DESC, name) AS rank
                     FROM (
                         SELECT CASE WHEN GROUPING(project) = 0 THEN 'project'
                                     WHEN GROUPING(knowledge_type) = 0 THEN 'type'
                                     ELSE 'model' END AS what,
                                coalesce(project, knowledge_type, embedding_model) AS name,
                                count(*) AS entries
                         FROM agent_knowledge WHERE $1::text IS NULL OR project = $1
                         GROUP BY GROUPING SETS ((project), (knowledge_type), (embedding_model))
                     ) AS counted WHERE name IS NOT NULL
                 ) AS ranked WHERE rank <= 100 ORDER BY what, rank",
                &[&project],
            )
            .await?;
        let of = |wanted: &str| -> Result<Vec<Count>> {
            let mut counts = Vec::new();
            for row in &groups {
                if row.column::<&str>("what")? == wanted {
                    counts.push(Count { name: row.column("name")?, entries: row.column("entries")? });
                }
            }
            Ok(counts)
        };
        // An aggregate has one row, also of nothing.
        let totals = &totals[0];
        Ok(Stats {
            entries: totals.column("entries")?,
            current: totals.column("current")?,
            embedded: totals.column("embedded")?,
            tokens: totals.column("tokens")?,
            accesses: totals.column("accesses")?,
            newest: totals.column("newest")?,
            disk_bytes: totals.column("disk_bytes")?,
            projects: of("project")?,
            knowledge_types: of("type")?,
            models: of("model")?,
            recall: self.recall_gauge().await?,
        })
    }
}

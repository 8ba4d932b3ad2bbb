use agent_turbo_db as db;
use serde::Serialize;

use crate::entry::entry_columns;
use crate::query::check_limit;
use crate::{Entry, Filter, Result, Store};

/// Some entries, newest first.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// What to pass as `before` to go on; `None` at the end.
    pub next: Option<i64>,
}

impl Store {
    /// Up to `limit` entries that pass the filter, newest first, after those of the page that ended with `before`.
    #[tracing::instrument(name = "knowledge.list", skip_all)]
    pub async fn list(&self, filter: &Filter, limit: usize, before: Option<i64>) -> Result<Page> {
        let limit = check_limit(limit)?;
        let conditions = filter.conditions(3)?;
        let sql = format!(
            "-- list_knowledge\nSELECT {} FROM agent_knowledge AS k WHERE k.id < $1{} ORDER BY k.id DESC LIMIT $2",
            entry_columns!(),
            conditions.sql,
        );
        let before = before.unwrap_or(i64::MAX);
        let mut params: Vec<&(dyn db::types::ToSql + Sync)> = vec![&before, &limit];
        params.extend(conditions.params.iter().map(|param| &**param as &(dyn db::types::ToSql + Sync)));
        let rows = self.0.db.query("list_knowledge", &sql, &params).await?;
        let entries = rows.iter().map(Entry::from_row).collect::<db::Result<Vec<_>>>()?;
        let full = entries.len() as i64 == limit;
        let next = entries.last().filter(|_| full).map(|entry| entry.id);
        Ok(Page { entries, next })
    }
}

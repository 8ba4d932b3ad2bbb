use agent_turbo_db::RowExt;

use crate::{Project, Result, Store};

/// Entries that one statement removes.
const BATCH: i64 = 500;
/// Statements of one call.
const MAX_BATCHES: usize = 20;

impl Store {
    /// Removes entries whose time is over for good, with their versions: up to 10,000, longest over first; the next call
    /// goes on. Returns how many. What such an entry had superseded is out of date as well, and goes with the next batch.
    ///
    /// Several may call it at once.
    #[tracing::instrument(name = "knowledge.purge_expired", skip_all)]
    pub async fn purge_expired(&self) -> Result<u64> {
        let mut purged = 0;
        for _ in 0..MAX_BATCHES {
            let rows = self
                .0
                .db
                .query(
                    "purge_expired",
                    "-- purge_expired
                     DELETE FROM agent_knowledge WHERE id IN (
                         SELECT id FROM agent_knowledge WHERE expires_at <= now()
                         ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
                     ) RETURNING project",
                    &[&BATCH],
                )
                .await?;
            for row in &rows {
                // Other programs may have projects with names that ours would refuse.
                if let Ok(project) = row.column::<String>("project")?.parse::<Project>() {
                    self.changed(&project);
                }
            }
            purged += rows.len() as u64;
            if rows.is_empty() {
                break;
            }
        }
        Ok(purged)
    }
}

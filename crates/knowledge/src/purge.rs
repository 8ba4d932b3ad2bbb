use std::time::Duration;

use agent_turbo_db::RowExt;
use tokio::task::JoinHandle;

use crate::{Project, Result, Store};

/// Entries that one statement removes.
const BATCH: i64 = 500;
/// Statements of one call.
const MAX_BATCHES: usize = 20;

/// Removes what is over until it is dropped.
#[derive(Debug)]
pub struct Purger(JoinHandle<()>);

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

    /// Does that in the background, once in `every`, for as long as the handle lives. A time that fails is logged; the next
    /// one tries again.
    pub fn start_purging(&self, every: Duration) -> Purger {
        let store = self.clone();
        Purger(tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Err(error) = store.purge_expired().await {
                    tracing::warn!(%error, "knowledge.purge_expired");
                }
            }
        }))
    }
}

impl Drop for Purger {
    fn drop(&mut self) {
        self.0.abort();
    }
}

use crate::{Orchestrator, Result};

/// Requests that one pass of the reaper removes.
const MAX_REMOVED: i64 = 1000;

impl Orchestrator {
    /// Forgets requests that were begun more than 24 hours ago.
    pub(crate) async fn remove_old_requests(&self) -> Result<u64> {
        let removed = self
            .db
            .execute(
                "remove_old_requests",
                "-- remove_old_requests
                 DELETE FROM idempotent_requests WHERE (scope, key) IN (
                     SELECT scope, key FROM idempotent_requests WHERE created_at < now() - interval '24 hours'
                     ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
                &[&MAX_REMOVED],
            )
            .await?;
        Ok(removed)
    }
}

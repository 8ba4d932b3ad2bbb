use agent_turbo_db::RowExt;
use agent_turbo_redact::redact;
use jiff::Timestamp;

use crate::name::check_text;
use crate::{Orchestrator, Result};

const MAX_REASON_BYTES: usize = 10_000;

impl Orchestrator {
    /// Removes the beginning of a chain, up to the first action that is not older than `before`, and writes down why and
    /// by whom. Returns how many actions are gone; repeated, it removes no more.
    #[tracing::instrument(name = "orchestrator.purge_actions", skip_all, fields(chain))]
    pub async fn purge_actions(
        &self,
        chain: &str,
        before: Timestamp,
        reason: &str,
        by: Option<&str>,
    ) -> Result<u64> {
        check_text("the reason", reason, MAX_REASON_BYTES)?;
        if let Some(by) = by {
            check_text("who purges", by, MAX_REASON_BYTES)?;
        }
        let row = self
            .db
            .query_opt(
                "purge_actions",
                "-- purge_actions
                 SELECT purge_actions($1, $2, $3, $4) AS gone",
                &[&chain, &before, &&*redact(reason).text, &by],
            )
            .await?;
        let gone: Option<i64> = row.map(|row| row.column("gone")).transpose()?;
        Ok(gone.unwrap_or_default() as u64)
    }
}

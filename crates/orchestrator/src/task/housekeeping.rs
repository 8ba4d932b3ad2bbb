use agent_turbo_db::{Client, RowExt};
use serde::Serialize;

use crate::{Error, Orchestrator, Result};

/// Tasks that one transaction looks after.
const BATCH: i64 = 500;

/// What looking after the tasks came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LookedAfter {
    /// Tasks whose time has come.
    pub promoted: u64,
    /// Tasks whose holder showed no sign of life: they are tried again after a pause.
    pub requeued: u64,
    /// Tasks that failed: no attempt was left, or the deadline has passed.
    pub failed: u64,
}

impl Orchestrator {
    /// Draws the conclusions of leases, waiting times and deadlines that are over. One process does it at a time; who
    /// comes second does nothing.
    #[tracing::instrument(name = "orchestrator.look_after_tasks", skip_all)]
    pub async fn look_after_tasks(&self) -> Result<LookedAfter> {
        let mut total = LookedAfter::default();
        loop {
            let (seen, batch) =
                self.changing().run_tx("look_after_tasks", async |client| look_after(&client).await).await?;
            total.promoted += batch.promoted;
            total.requeued += batch.requeued;
            total.failed += batch.failed;
            if seen < BATCH {
                return Ok(total);
            }
        }
    }
}

async fn look_after(client: &Client) -> Result<(i64, LookedAfter)> {
    let mut batch = LookedAfter::default();
    let alone = client
        .row(
            "only_reaper",
            "-- only_reaper
             SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || '.reap_tasks', 0)) AS alone",
            &[],
        )
        .await?;
    if !alone.map_or(Ok(false), |row| row.column("alone"))? {
        return Ok((0, batch));
    }
    // The pause after the first lost lease is 1 s; each further one doubles it, up to 5 min.
    let rows = client
        .rows(
            "look_after_tasks",
            "-- look_after_tasks
             WITH due AS MATERIALIZED (
                 SELECT id, status AS was, deadline <= now() AS too_late,
                        status = 'in_progress' AND attempts >= max_attempts AS used_up
                 FROM agent_tasks WHERE wake_at <= now()
                 ORDER BY wake_at LIMIT $1 FOR UPDATE SKIP LOCKED
             )
             UPDATE agent_tasks t
             SET status = CASE WHEN due.too_late OR due.used_up THEN 'failed' ELSE 'pending' END,
                 run_after = CASE WHEN due.was = 'in_progress' AND NOT (coalesce(due.too_late, false) OR due.used_up)
                                  THEN now() + make_interval(secs =>
                                      least(300, power(2, least(greatest(t.attempts, 1), 10) - 1))) END,
                 error_message = CASE WHEN due.too_late THEN 'its deadline has passed'
                                      WHEN due.was = 'in_progress'
                                          THEN format('attempt %s: %s showed no sign of life', t.attempts,
                                                      coalesce(t.lease_session_id, 'its worker'))
                                      ELSE t.error_message END,
                 status_reason = CASE WHEN due.too_late THEN 'its deadline has passed'
                                      WHEN due.used_up THEN 'its lease expired in the last attempt'
                                      WHEN due.was = 'in_progress' THEN 'its lease expired'
                                      ELSE t.status_reason END
             FROM due WHERE t.id = due.id
             RETURNING due.was, t.status",
            &[&BATCH],
        )
        .await?;
    for row in &rows {
        match (row.column::<&str>("was")?, row.column::<&str>("status")?) {
            (_, "failed") => batch.failed += 1,
            ("in_progress", _) => batch.requeued += 1,
            _ => batch.promoted += 1,
        }
    }
    Ok::<_, Error>((rows.len() as i64, batch))
}

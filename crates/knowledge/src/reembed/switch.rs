use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_turbo_db::RowExt;
use agent_turbo_db::tokio_postgres::error::SqlState;
use agent_turbo_embed::{self as embed, Model};

use super::collect::BATCH;
use super::index::OwnConnection;
use super::{ReembedProgress, Reembedded, Tally};
use crate::{Error, Result, Store};

/// How long others may have to wait behind the switch for the table, which waits for transactions that are open.
const WAIT: &str = "2s";
/// Attempts, and the pause between two, in which others work.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);
/// Attempts that want every entry to have its vector. Where others never stop writing, the next ones leave up to a batch of
/// entries without one, for as long as it takes to embed them after the switch.
const COMPLETE: u32 = 8;

impl Store {
    /// Embeds what was written meanwhile, and lets all the new vectors take the place of the old ones. No transaction is
    /// open while the service is asked.
    pub(super) async fn switch(
        &self,
        service: &embed::Client,
        model: &Arc<Model>,
        progress: &dyn ReembedProgress,
        moved: &mut Reembedded,
        tally: &mut Tally,
    ) -> Result<()> {
        let limit = self.0.db.config().statement_timeout;
        let connection = self.own_connection(limit, &[("lock_timeout", WAIT)]).await?;
        for attempt in 0..ATTEMPTS {
            while self.pass(service, model, progress, moved, tally).await? > BATCH as u64 / 4 {
                if progress.should_stop() {
                    return Ok(());
                }
            }
            if progress.should_stop() {
                return Ok(());
            }
            let max_missing = if attempt < COMPLETE { 0 } else { BATCH as i32 };
            match try_switch(&connection, model, max_missing, moved).await {
                Ok(true) => {
                    moved.switched = true;
                    return Ok(());
                }
                // Somebody wrote between the pass and the switch: at once again.
                Ok(false) => {}
                Err(error) if is_in_the_way(&error) => {
                    tracing::debug!(%error, attempt, "knowledge.reembed.busy");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy)
    }
}

/// One attempt; `false` when more entries than that are without a vector.
async fn try_switch(
    connection: &OwnConnection,
    model: &Arc<Model>,
    max_missing: i32,
    moved: &mut Reembedded,
) -> Result<bool> {
    let started = Instant::now();
    let row = connection
        .client
        .row(
            "switch_embedding_model",
            "-- switch_embedding_model
             SELECT switch_embedding_model($1, $2) AS switched",
            &[&model.name, &max_missing],
        )
        .await?;
    let switched = row.as_ref().map_or(Ok(false), |row| row.column("switched"))?;
    if switched {
        moved.others_waited_ms = started.elapsed().as_secs_f64() * 1e3;
    }
    Ok(switched)
}

/// Whether others only have to finish first.
fn is_in_the_way(error: &Error) -> bool {
    let Error::Database(error) = error else { return false };
    error
        .sqlstate()
        .is_some_and(|state| [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(state))
}

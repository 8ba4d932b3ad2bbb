use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_turbo_db::{self as db, Database, RowExt};

use super::changes::Changes;

/// Clocks that drift apart, and a server that is slow between looking at its clock and at the watch.
const MARGIN: Duration = Duration::from_secs(5);
/// A watch that ends sooner is prolonged, if somebody still asks.
const RENEW: Duration = Duration::from_secs(10);

/// Whether changes of tasks are announced: only while somebody asked for it, for NOTIFY is not for free.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<Option<Armed>>);

/// Since some moment and until `until`, every transaction that changes a task tells of it, but for those that had begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Armed {
    pub(super) until: Instant,
    /// Transactions with smaller ids may have looked for a watch before there was one.
    pub(super) barrier: u64,
    /// The listener's connection at that time: after another one's, the server may be another.
    pub(super) connection: u64,
}

impl Watch {
    pub(super) fn armed(&self) -> Option<Armed> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_ending(&self, changes: &Changes) -> bool {
        self.armed().is_none_or(|armed| {
            armed.connection != changes.connection() || armed.until < Instant::now() + RENEW
        })
    }

    /// Watches for the next 30 seconds. Without a gap, what was known of running transactions stays true.
    pub(super) async fn arm(&self, db: &Database, changes: &Changes) -> db::Result<()> {
        let connection = changes.connection();
        let sent = Instant::now();
        // The lock keeps two watchers from setting it back, and ends with the statement. Nothing here goes by a
        // snapshot, so what is done has its effect at once.
        let lasts: f64 = one(
            db,
            "arm_context_watch",
            "-- arm_context_watch
             WITH alone AS MATERIALIZED (
                 SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.context_watch', 0))
             ), armed AS MATERIALIZED (
                 SELECT setval('context_watch', greatest(
                     coalesce(pg_sequence_last_value('context_watch'), 0),
                     ceil(extract(epoch FROM clock_timestamp()))::bigint + 30)) AS until
                 FROM alone
             )
             SELECT (until - extract(epoch FROM clock_timestamp()))::float8 AS value FROM armed",
        )
        .await?;
        let until = sent + Duration::try_from_secs_f64(lasts).unwrap_or_default().saturating_sub(MARGIN);
        let before =
            self.armed().filter(|armed| armed.connection == connection && Instant::now() < armed.until);
        let barrier = match before {
            Some(armed) => armed.barrier,
            // Whoever looked before the watch was armed had his id by then, and this one comes after. The next id of a
            // snapshot would not do: it is the one after the last that has ended.
            None => one::<String>(
                db,
                "context_watch_barrier",
                "-- context_watch_barrier
                 SELECT pg_current_xact_id()::text AS value",
            )
            .await?
            .parse()
            .unwrap_or(u64::MAX),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Armed { until, barrier, connection });
        Ok(())
    }
}

/// The `value` of a statement's row.
async fn one<T>(db: &Database, name: &'static str, sql: &str) -> db::Result<T>
where
    T: for<'a> db::types::FromSql<'a>,
{
    let rows = db.query(name, sql, &[]).await?;
    rows[0].column("value")
}

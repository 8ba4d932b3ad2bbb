use agent_turbo_db::{Client, Error, Result, RowExt};
use jiff::Timestamp;

const NAME: &str = "landing_snapshot";
const SQL: &str = "-- landing_snapshot
    SELECT pg_current_snapshot()::text AS snapshot, pg_snapshot_xmin(pg_current_snapshot())::text AS xmin,
           clock_timestamp() AS read_at";

/// Which transactions the statements that are sent after it are sure to see.
#[derive(Debug)]
pub(in crate::context) struct Snapshot {
    /// As PostgreSQL writes it.
    pub(in crate::context) text: String,
    /// All transactions with smaller ids had ended.
    pub(in crate::context) xmin: u64,
    /// When it was taken, by the database's clock.
    pub(in crate::context) read_at: Timestamp,
}

/// Prepares [`snapshot`], so that it can be sent at once, before everything else.
pub(in crate::context) async fn prepare_snapshot(client: &Client) -> Result<()> {
    client.prepare_cached(SQL).await.map_err(|error| Error::of_statement(NAME, error))?;
    Ok(())
}

pub(in crate::context) async fn snapshot(client: &Client) -> Result<Snapshot> {
    let rows = client.rows(NAME, SQL, &[]).await?;
    // A SELECT without FROM has one row.
    let row = &rows[0];
    let xmin = row.column::<&str>("xmin")?.parse().unwrap_or_default();
    Ok(Snapshot { text: row.column("snapshot")?, xmin, read_at: row.column("read_at")? })
}

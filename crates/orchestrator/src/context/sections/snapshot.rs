use agent_turbo_db::{Client, Error, Result, RowExt};
use jiff::Timestamp;

const NAME: &str = "landing_snapshot";
const SQL: &str = "-- landing_snapshot
    SELECT pg_current_snapshot()::text AS snapshot, clock_timestamp() AS read_at";

/// Which transactions the statements that are sent after it are sure to see.
#[derive(Debug)]
pub(in crate::context) struct Snapshot {
    /// As PostgreSQL writes it: `xmin:xmax:in progress`.
    pub(in crate::context) text: String,
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
    Ok(Snapshot { text: row.column("snapshot")?, read_at: row.column("read_at")? })
}

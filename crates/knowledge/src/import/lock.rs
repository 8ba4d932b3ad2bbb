use std::time::Duration;

use agent_turbo_db::{self as db, Client, Database, RowExt};

use crate::{Result, Store};

/// Says to all processes on the same tables that something is under way. The server forgets it when this is dropped, and
/// when the process is killed.
#[derive(Debug)]
pub struct NamedLock {
    database: Database,
    connection: Client,
    name: String,
}

/// The server may not have seen yet that a process is gone.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

impl Store {
    /// Takes the lock of that name; `None` when somebody has it, and goes on having it for a second.
    pub async fn try_lock(&self, name: &str) -> Result<Option<NamedLock>> {
        // A pool of its own: the lock is the connection's, and nobody else may get that one.
        let config = db::Config { pool_min: 1, pool_max: 1, ..self.0.db.config().clone() };
        let database = Database::connect(config).await?;
        let connection = database.client().await?;
        let lock = NamedLock { database, connection, name: name.to_owned() };
        for attempt in 1..=ATTEMPTS {
            let row = lock
                .connection
                .row(
                    "try_lock",
                    "-- try_lock
                     SELECT pg_try_advisory_lock(
                         hashtextextended(concat('agent_turbo ', current_schema(), ' ', $1::text), 0)) AS locked",
                    &[&lock.name],
                )
                .await?;
            if row.as_ref().map_or(Ok(false), |row| row.column("locked"))? {
                return Ok(Some(lock));
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(None)
    }
}

impl NamedLock {
    /// Gives it back at once; dropping it leaves that to the server.
    pub async fn release(self) -> Result<()> {
        self.connection
            .row(
                "release_lock",
                "-- release_lock
                 SELECT pg_advisory_unlock(
                     hashtextextended(concat('agent_turbo ', current_schema(), ' ', $1::text), 0))",
                &[&self.name],
            )
            .await?;
        Ok(())
    }
}

impl Drop for NamedLock {
    fn drop(&mut self) {
        // A closed pool takes no connection back, so that the server sees it go.
        self.database.close();
    }
}

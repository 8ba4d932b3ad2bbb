use agent_turbo_db::{self as db, Client, Database, RowExt};

use crate::{Result, Store};

/// Says to all processes on the same tables that something is under way. The server forgets it when this is dropped, and
/// when the process is killed.
#[derive(Debug)]
pub struct NamedLock {
    database: Database,
    _connection: Client,
}

impl Store {
    /// Takes the lock of that name; `None` when somebody has it.
    pub async fn try_lock(&self, name: &str) -> Result<Option<NamedLock>> {
        // A pool of its own: the lock is the connection's, and nobody else may get that one.
        let config = db::Config { pool_min: 1, pool_max: 1, ..self.0.db.config().clone() };
        let database = Database::connect(config).await?;
        let connection = database.client().await?;
        let row = connection
            .row(
                "try_lock",
                "-- try_lock
                 SELECT pg_try_advisory_lock(hashtextextended(concat('agent_turbo ', current_schema(), ' ', $1::text), 0))
                     AS locked",
                &[&name],
            )
            .await?;
        let locked = row.as_ref().map_or(Ok(false), |row| row.column("locked"))?;
        Ok(locked.then_some(NamedLock { database, _connection: connection }))
    }
}

impl Drop for NamedLock {
    fn drop(&mut self) {
        // A closed pool takes no connection back, so that the server sees it go.
        self.database.close();
    }
}

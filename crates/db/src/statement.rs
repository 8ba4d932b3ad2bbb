use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::database::{Client, Database};
use crate::{Error, Result};

/// What a statement's `$1`, `$2`, … stand for.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// One statement in a transaction of its own, prepared once per connection. Like [`Database::run`], it is tried again
/// after a lost connection or a conflict, so it must be safe to repeat.
impl Database {
    /// Its rows.
    pub async fn query(&self, name: &'static str, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        self.run(name, async |client: Client| client.rows(name, sql, params).await).await
    }

    /// Its row, if there is one; more than one is an error.
    pub async fn query_opt(&self, name: &'static str, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        self.run(name, async |client: Client| client.row(name, sql, params).await).await
    }

    /// The number of rows that it changed.
    pub async fn execute(&self, name: &'static str, sql: &str, params: Params<'_>) -> Result<u64> {
        self.run(name, async |client: Client| client.change(name, sql, params).await).await
    }
}

/// The same on one connection, for the bodies of transactions.
impl Client {
    /// A statement's rows.
    pub async fn rows(&self, name: &'static str, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        let failed = |error| Error::of_statement(name, error);
        let statement = self.prepare_cached(sql).await.map_err(failed)?;
        self.query(&statement, params).await.map_err(failed)
    }

    /// A statement's row, if there is one; more than one is an error.
    pub async fn row(&self, name: &'static str, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        let failed = |error| Error::of_statement(name, error);
        let statement = self.prepare_cached(sql).await.map_err(failed)?;
        self.query_opt(&statement, params).await.map_err(failed)
    }

    /// The number of rows that a statement changed.
    pub async fn change(&self, name: &'static str, sql: &str, params: Params<'_>) -> Result<u64> {
        let failed = |error| Error::of_statement(name, error);
        let statement = self.prepare_cached(sql).await.map_err(failed)?;
        self.execute(&statement, params).await.map_err(failed)
    }

    /// The same in one round trip, for a statement that a connection runs once or rarely: it is not kept prepared, so the
    /// types of its parameters must be told.
    pub async fn change_once(
        &self,
        name: &'static str,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<u64> {
        self.execute_typed(sql, params).await.map_err(|error| Error::of_statement(name, error))
    }
}

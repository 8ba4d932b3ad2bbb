use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::config::Config;
use crate::row::RowExt;
use crate::target::{SslMode, Target};
use crate::{Error, Result, tls};

pub(crate) mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// Where a database's schema stands, seen from this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// Nothing of ours is there.
    Missing,
    /// It has migrations up to `found` of the `known` ones.
    Behind {
        /// The newest applied there.
        found: u32,
        /// The newest that this program has.
        known: u32,
    },
    /// It is what this program expects.
    Current {
        /// The newest migration.
        version: u32,
    },
}

/// pgvector's packages and `UNIQUE NULLS NOT DISTINCT` are settled from here on.
const OLDEST_SERVER: i32 = 16;
/// Key of the advisory lock round migrations: "agturbo" in ASCII.
const LOCK: i64 = 0x0061_6774_7572_626f;
/// Where refinery writes down what it applied.
pub(crate) const HISTORY: &str = "refinery_schema_history";
const LOCK_TIMEOUT: Duration = Duration::from_mins(2);

/// Brings the schema up to date. Any number of processes may call it at once; the first one does the work.
///
/// Never touches a table that it did not make: one in the way is [`Error::ForeignTable`] and nothing is changed.
#[tracing::instrument(name = "db.migrate", skip_all)]
pub async fn migrate(config: &Config) -> Result<SchemaState> {
    let (mut client, state) = look(config).await?;
    if matches!(state, SchemaState::Current { .. }) {
        return Ok(state);
    }
    check_server(&client).await?;
    lock(&client).await?;
    // Somebody else may have done it while we waited.
    let state = schema_state(&client, config).await?;
    if !matches!(state, SchemaState::Current { .. }) {
        create_schema(&client, config).await?;
        refuse_foreign_tables(&client, state).await?;
        ensure_pgvector(&client).await?;
        let report = embedded::migrations::runner()
            // In one transaction: all of them or none.
            .set_grouped(true)
            .run_async(&mut client)
            .await
            .map_err(|error| Error::Migration(Box::new(error)))?;
        for migration in report.applied_migrations() {
            tracing::info!(version = migration.version(), name = migration.name(), "db.migrated");
        }
    }
    // The lock goes with the connection.
    Ok(SchemaState::Current { version: newest() })
}

/// Compares the schema with this program's migrations, in one round trip.
pub async fn schema_state(client: &tokio_postgres::Client, config: &Config) -> Result<SchemaState> {
    let prefix = config.schema.as_ref().map(|schema| quoted(schema) + ".").unwrap_or_default();
    let foreign = || Error::ForeignTable {
        schema: config.schema.clone().unwrap_or_else(|| "public".to_owned()),
        table: HISTORY.to_owned(),
    };
    let query = format!("SELECT version, name FROM {prefix}{HISTORY}");
    let rows = match client.simple_query(&query).await {
        Ok(rows) => rows,
        Err(error) => {
            return match error.code() {
                Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME) => Ok(SchemaState::Missing),
                Some(&SqlState::UNDEFINED_COLUMN) => Err(foreign()),
                _ => Err(Error::of_statement("schema_state", error)),
            };
        }
    };
    let applied: HashMap<u32, &str> = rows
        .iter()
        .filter_map(|row| match row {
            SimpleQueryMessage::Row(row) => Some((row.get(0)?.parse().ok()?, row.get(1)?)),
            _ => None,
        })
        .collect();
    let found = applied.keys().copied().max().unwrap_or(0);
    // Another program may use refinery here too.
    let ours = |migration: &refinery::Migration| {
        let version = migration.version() as u32;
        version > found || applied.get(&version) == Some(&migration.name())
    };
    if !embedded::migrations::runner().get_migrations().iter().all(ours) {
        return Err(foreign());
    }
    let known = newest();
    match found {
        0 => Ok(SchemaState::Missing),
        found if found > known => Err(Error::SchemaTooNew { found, known }),
        found if found < known => Ok(SchemaState::Behind { found, known }),
        version => Ok(SchemaState::Current { version }),
    }
}

pub(crate) fn newest() -> u32 {
    let versions =
        embedded::migrations::runner().get_migrations().iter().map(refinery::Migration::version).max();
    versions.map_or(0, |version| version as u32)
}

/// A connection of its own, outside any pool, and where the schema stands.
pub(crate) async fn look(config: &Config) -> Result<(tokio_postgres::Client, SchemaState)> {
    let target = Target::from_config(config)?;
    let limit = config.connect_timeout * 2;
    let look = async {
        let client = connect(&target).await?;
        let state = schema_state(&client, config).await?;
        Ok((client, state))
    };
    tokio::time::timeout(limit, look).await.unwrap_or(Err(Error::Timeout { name: "schema_state", limit }))
}

/// Keeps everybody else from migrating for as long as the connection lives, whose statements may now take any time.
pub(crate) async fn lock(client: &tokio_postgres::Client) -> Result<()> {
    execute(client, &format!("SET statement_timeout = {}", LOCK_TIMEOUT.as_millis())).await?;
    execute(client, &format!("SELECT pg_advisory_lock({LOCK})")).await?;
    execute(client, "SET statement_timeout = 0").await
}

pub(crate) async fn create_schema(client: &tokio_postgres::Client, config: &Config) -> Result<()> {
    let Some(schema) = &config.schema else { return Ok(()) };
    execute(client, &format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema))).await
}

/// A name as an identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn connect(target: &Target) -> Result<tokio_postgres::Client> {
    let of_connect = |error| Error::of_connect(&target.name(), error);
    if target.ssl_mode == SslMode::Disable {
        let (client, connection) = target.driver.connect(NoTls).await.map_err(of_connect)?;
        tokio::spawn(connection);
        Ok(client)
    } else {
        let (client, connection) =
            target.driver.connect(tls::connector(target)?).await.map_err(of_connect)?;
        tokio::spawn(connection);
        Ok(client)
    }
}

pub(crate) async fn execute(client: &tokio_postgres::Client, statement: &str) -> Result<()> {
    client.batch_execute(statement).await.map_err(|error| Error::of_statement("migrate", error))
}

pub(crate) async fn check_server(client: &tokio_postgres::Client) -> Result<()> {
    let row = client
        .query_one(
            "-- check_server
             SELECT current_setting('server_version_num')::integer AS number,
                    current_setting('server_version') AS version,
                    current_setting('server_encoding') AS encoding",
            &[],
        )
        .await
        .map_err(|error| Error::of_statement("check_server", error))?;
    check_server_is(row.column("number")?, row.column("version")?, row.column("encoding")?)
}

fn check_server_is(number: i32, version: &str, encoding: &str) -> Result<()> {
    if number < OLDEST_SERVER * 10_000 {
        return Err(Error::ServerTooOld { found: version.to_owned(), needed: OLDEST_SERVER });
    }
    if encoding != "UTF8" {
        return Err(Error::Config(format!(
            "the database's encoding is {encoding}, and text of any language needs UTF8"
        )));
    }
    Ok(())
}

pub(crate) async fn ensure_pgvector(client: &tokio_postgres::Client) -> Result<()> {
    let row = client
        .query_opt(
            "-- ensure_pgvector
             SELECT coalesce(installed_version, default_version, '') AS version
             FROM pg_available_extensions WHERE name = 'vector'",
            &[],
        )
        .await
        .map_err(|error| Error::of_statement("ensure_pgvector", error))?
        .ok_or_else(|| Error::Pgvector("the server does not have it".to_owned()))?;
    check_pgvector_is(row.column("version")?)?;
    // Also where it is installed: that needs no privilege, and a read-only server says so before any migration runs.
    // In `public`, so that a schema of one's own can be dropped without it.
    client.batch_execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public").await.map_err(|error| {
        match Error::of_statement("ensure_pgvector", error) {
            Error::Statement { source, .. } => Error::Pgvector(crate::error::chain(&source)),
            other => other,
        }
    })
}

/// pgvector 0.8 brought iterative index scans, without which a filter would swallow results.
fn check_pgvector_is(version: &str) -> Result<()> {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (0, 8) {
        return Err(Error::Pgvector(format!("it is version {version}, and 0.8 or newer is needed")));
    }
    Ok(())
}

/// Refuses to go on when a migration that is still to come would meet a table of its name.
pub(crate) async fn refuse_foreign_tables(client: &tokio_postgres::Client, state: SchemaState) -> Result<()> {
    let applied = match state {
        SchemaState::Missing => 0,
        SchemaState::Behind { found, .. } | SchemaState::Current { version: found } => found,
    };
    let runner = embedded::migrations::runner();
    let names: Vec<&str> = runner
        .get_migrations()
        .iter()
        .filter(|migration| migration.version() as u32 > applied)
        .filter_map(|migration| migration.sql())
        .flat_map(created_relations)
        .collect();
    let found = client
        .query_opt(
            "-- refuse_foreign_tables
             SELECT current_schema()::text AS schema, relname::text AS name FROM pg_class
             WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
               AND relname = ANY($1)
             ORDER BY relname LIMIT 1",
            &[&names],
        )
        .await
        .map_err(|error| Error::of_statement("refuse_foreign_tables", error))?;
    match found {
        Some(row) => Err(Error::ForeignTable { schema: row.column("schema")?, table: row.column("name")? }),
        None => Ok(()),
    }
}

/// Names of the tables and views that a migration creates.
fn created_relations(sql: &str) -> impl Iterator<Item = &str> {
    created("TABLE", sql).chain(created("VIEW", sql))
}

/// Names of what a migration creates of one kind.
pub(crate) fn created<'a>(kind: &str, sql: &'a str) -> impl Iterator<Item = &'a str> {
    let start = format!("CREATE {kind} ");
    sql.lines().filter_map(move |line| line.strip_prefix(&start)?.split([' ', '(', ';']).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_too_old_or_cannot_hold_every_language_is_refused() {
        assert!(check_server_is(160_000, "16.0", "UTF8").is_ok());
        assert!(check_server_is(180_006, "18.6", "UTF8").is_ok());
        let error = check_server_is(150_012, "15.12 (Debian 15.12-1)", "UTF8").unwrap_err();
        assert!(matches!(&error, Error::ServerTooOld { needed: 16, .. }), "{error}");
        assert!(error.to_string().contains("15.12") && error.hint().is_some(), "{error}");
        let error = check_server_is(180_006, "18.6", "LATIN1").unwrap_err();
        assert!(matches!(&error, Error::Config(what) if what.contains("LATIN1")), "{error}");
    }

    #[test]
    fn a_pgvector_without_iterative_scans_is_refused() {
        for version in ["0.8.0", "0.8.6", "0.10", "1.0.0"] {
            assert!(check_pgvector_is(version).is_ok(), "{version}");
        }
        for version in ["0.7.4", "0.5.1", "", "?"] {
            assert!(matches!(check_pgvector_is(version), Err(Error::Pgvector(_))), "{version}");
        }
    }

    #[test]
    fn every_table_that_the_migrations_create_is_guarded() {
        let runner = embedded::migrations::runner();
        let names: Vec<_> = runner
            .get_migrations()
            .iter()
            .filter_map(|migration| migration.sql())
            .flat_map(created_relations)
            .collect();
        let agent_tables = names.iter().filter(|name| name.starts_with("agent_")).count();
        assert_eq!(agent_tables, 6, "{names:?}");
        assert!(names.contains(&"system_nodes") && names.contains(&"chunks"), "{names:?}");
    }
}

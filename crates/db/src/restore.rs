use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio::io::AsyncBufRead;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, CopyInSink};

use crate::config::Config;
use crate::copy::CopyBlock;
use crate::inventory::{created_by, scripts, tables_of};
use crate::migrate::{
    HISTORY, SchemaState, check_server, create_schema, embedded, ensure_pgvector, execute, lock, look,
    newest, quoted, refuse_foreign_tables,
};
use crate::row::RowExt;
use crate::{Error, Result};

/// For how long transactions of others are waited for, which hold what is to be replaced.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rows are sent in pieces of about this size.
const PIECE: usize = 256 << 10;

/// A restore under way: one transaction, in which the schema is made by the migrations and filled with rows from
/// elsewhere. Dropped before [`commit`](Self::commit), it leaves what was there.
///
/// The triggers of our tables are off meanwhile, as rows come as they were when the triggers had dealt with them.
pub struct Restore {
    client: Client,
    tables: Vec<String>,
}

impl Restore {
    /// Keeps everybody else from migrating, lets go what is ours in the schema, and makes the schema of `version`.
    ///
    /// Rows that are there are [`Error::Occupied`] unless they are to be replaced; those of the tables `incidental`
    /// don't count.
    pub async fn begin(config: &Config, version: u32, replace: bool, incidental: &[&str]) -> Result<Self> {
        let (client, _) = look(config).await?;
        check_server(&client).await?;
        lock(&client).await?;
        execute(&client, "SET idle_in_transaction_session_timeout = 0; BEGIN").await?;
        // Somebody else may have migrated while we waited.
        let state = crate::schema_state(&client, config).await;
        let state = match state {
            // Asking for a table that isn't there ends the transaction.
            Ok(SchemaState::Missing) => {
                execute(&client, "ROLLBACK; BEGIN").await?;
                SchemaState::Missing
            }
            other => other?,
        };
        create_schema(&client, config).await?;
        if let SchemaState::Behind { found, .. } | SchemaState::Current { version: found } = state {
            let_go(&client, found, replace, incidental).await?;
        }
        refuse_foreign_tables(&client, SchemaState::Missing).await?;
        ensure_pgvector(&client).await?;
        execute(&client, &format!("CREATE TABLE IF NOT EXISTS {HISTORY} ({HISTORY_COLUMNS})")).await?;
        for (_, sql) in scripts().iter().filter(|(of, _)| *of <= version) {
            execute(&client, sql).await?;
        }
        let tables = in_order(&client, &tables_of(version)).await?;
        let restore = Self { client, tables };
        restore.triggers("DISABLE").await?;
        Ok(restore)
    }

    /// The tables, each after those that it refers to.
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    /// Puts the rows of a block into a table; their number.
    pub async fn fill<R: AsyncBufRead + Unpin>(&self, table: &str, block: &mut CopyBlock<R>) -> Result<u64> {
        let of_fill = |error| Error::of_statement("fill", error);
        let columns: Vec<String> = block.columns().iter().map(|column| quoted(column)).collect();
        let copy = format!("COPY {} ({}) FROM STDIN", quoted(table), columns.join(", "));
        let sink: CopyInSink<Bytes> =
            self.client.copy_in(&copy).await.map_err(|error| match error.code() {
                Some(&SqlState::UNDEFINED_COLUMN | &SqlState::DUPLICATE_COLUMN) => {
                    Error::NotABackup(format!("it names columns that {table} does not have"))
                }
                _ => of_fill(error),
            })?;
        let mut sink = std::pin::pin!(sink);
        let mut piece = Vec::with_capacity(PIECE);
        while let Some(row) = block.row().await? {
            piece.extend_from_slice(row);
            if piece.len() >= PIECE {
                let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE));
                sink.send(full.into()).await.map_err(of_fill)?;
            }
        }
        sink.send(piece.into()).await.map_err(of_fill)?;
        sink.finish().await.map_err(of_fill)
    }

    /// Brings the schema up to date, with the triggers of before at work.
    pub async fn upgrade(&mut self, version: u32) -> Result<()> {
        self.triggers("ENABLE").await?;
        let runner = embedded::migrations::runner();
        for (newer, sql) in scripts().iter().filter(|(newer, _)| *newer > version) {
            execute(&self.client, sql).await?;
            let mut migrations = runner.get_migrations().iter();
            let migration = migrations.find(|migration| migration.version() as u32 == *newer);
            let (name, checksum) =
                migration.map_or(("", 0), |migration| (migration.name(), migration.checksum()));
            let version = i32::try_from(*newer).unwrap_or(i32::MAX);
            self.client
                .execute(
                    &format!(
                        "-- write_history
                         INSERT INTO {HISTORY} (version, name, applied_on, checksum)
                         VALUES ($1, $2, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), $3)"
                    ),
                    &[&version, &name, &checksum.to_string()],
                )
                .await
                .map_err(|error| Error::of_statement("write_history", error))?;
        }
        self.tables = in_order(&self.client, &tables_of(newest())).await?;
        self.triggers("DISABLE").await
    }

    /// The connection, for those who know what else the rows need.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Lets numbering go on after the highest number, puts the triggers back to work, and commits.
    pub async fn commit(self) -> Result<()> {
        self.triggers("ENABLE").await?;
        self.number_on().await?;
        // Or the first queries would be planned for empty tables.
        let tables: Vec<String> = self.tables.iter().map(|table| quoted(table)).collect();
        execute(&self.client, &format!("ANALYZE {}", tables.join(", "))).await?;
        self.client.batch_execute("SELECT; COMMIT").await.map_err(|error| {
            match Error::of_statement("restore", error) {
                Error::ConnectionLost { name, source } => Error::CommitUnknown { name, source },
                other => other,
            }
        })
    }

    async fn triggers(&self, change: &str) -> Result<()> {
        let change = |table: &String| format!("ALTER TABLE {} {change} TRIGGER USER;", quoted(table));
        execute(&self.client, &self.tables.iter().map(change).collect::<String>()).await
    }

    async fn number_on(&self) -> Result<()> {
        let columns = self
            .client
            .query(
                "-- numbered_columns
                 SELECT c.relname::text AS table_name, a.attname::text AS column_name,
                        pg_get_serial_sequence(quote_ident(c.relname), a.attname)::text AS sequence
                 FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                 WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
                   AND c.relname = ANY ($1) AND a.attidentity <> ''",
                &[&self.tables],
            )
            .await
            .map_err(|error| Error::of_statement("numbered_columns", error))?;
        for row in columns {
            let table = quoted(&row.column::<String>("table_name")?);
            let column = quoted(&row.column::<String>("column_name")?);
            let sequence: String = row.column("sequence")?;
            self.client
                .query_opt(
                    &format!(
                        "-- number_on
                         SELECT setval($1::text::regclass, max({column})) FROM {table}
                         -- Numbering begins at 1; who makes his own numbers may keep below.
                         HAVING max({column}) > 0"
                    ),
                    &[&sequence],
                )
                .await
                .map_err(|error| Error::of_statement("number_on", error))?;
        }
        Ok(())
    }
}

/// As refinery makes it.
const HISTORY_COLUMNS: &str =
    "version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255)";

/// Drops what the migrations up to `version` made, and nothing else.
async fn let_go(client: &Client, version: u32, replace: bool, incidental: &[&str]) -> Result<()> {
    let tables = tables_of(version);
    let names: Vec<String> = tables.iter().map(|table| quoted(table)).collect();
    execute(client, &format!("SET LOCAL lock_timeout = {}", PATIENCE.as_millis())).await?;
    let locked =
        client.batch_execute(&format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "))).await;
    locked.map_err(|source| match source.code() {
        Some(&SqlState::LOCK_NOT_AVAILABLE) => Error::InUse { source },
        _ => Error::of_statement("lock_tables", source),
    })?;
    if !replace {
        refuse_rows(client, &tables, incidental).await?;
    }
    let views: Vec<_> = created_by(version, "VIEW").collect();
    let sequences: Vec<_> = created_by(version, "SEQUENCE").collect();
    let functions: Vec<_> = created_by(version, "FUNCTION").collect();
    let relations: Vec<_> = tables.iter().copied().chain(views.clone()).chain(sequences.clone()).collect();
    refuse_dependents(client, &relations, &functions).await?;
    // What they take along is ours, too.
    let kinds = [("VIEW", views), ("TABLE", tables), ("SEQUENCE", sequences), ("FUNCTION", functions)];
    for (kind, names) in kinds.into_iter().filter(|(_, names)| !names.is_empty()) {
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        execute(client, &format!("DROP {kind} IF EXISTS {} CASCADE", names.join(", "))).await?;
    }
    Ok(())
}

async fn refuse_rows(client: &Client, tables: &[&str], incidental: &[&str]) -> Result<()> {
    let counted = tables.iter().filter(|table| **table != HISTORY && !incidental.contains(table));
    let parts: Vec<String> = counted
        .map(|table| format!("SELECT '{table}' AS name WHERE EXISTS (SELECT FROM {})", quoted(table)))
        .collect();
    let found = client
        .query_opt(
            &format!(
                "-- refuse_rows
                 SELECT current_schema()::text AS schema, name FROM ({}) occupied ORDER BY name LIMIT 1",
                parts.join(" UNION ALL ")
            ),
            &[],
        )
        .await
        .map_err(|error| Error::of_statement("refuse_rows", error))?;
    match found {
        Some(row) => Err(Error::Occupied { schema: row.column("schema")?, table: row.column("name")? }),
        None => Ok(()),
    }
}

/// Refuses when something that is not ours would be dropped along.
async fn refuse_dependents(client: &Client, relations: &[&str], functions: &[&str]) -> Result<()> {
    let found = client
        .query_opt(
            "-- refuse_dependents
             WITH RECURSIVE place AS (
                 SELECT oid FROM pg_namespace WHERE nspname = current_schema()
             ), ours AS (
                 SELECT 'pg_class'::regclass::oid AS class, c.oid AS object FROM pg_class c, place
                 WHERE c.relnamespace = place.oid AND c.relname = ANY ($1)
                 UNION
                 SELECT 'pg_proc'::regclass::oid, p.oid FROM pg_proc p, place
                 WHERE p.pronamespace = place.oid AND p.proname = ANY ($2)
             ), parts AS (
                 -- Indexes, constraints, triggers, row types and so on are parts of what they belong to.
                 SELECT class, object FROM ours
                 UNION
                 SELECT d.classid, d.objid FROM parts p
                 JOIN pg_depend d ON d.refclassid = p.class AND d.refobjid = p.object AND d.deptype IN ('a', 'i')
             )
             SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS what FROM parts p
             JOIN pg_depend d ON d.refclassid = p.class AND d.refobjid = p.object AND d.deptype = 'n'
             WHERE (d.classid, d.objid) NOT IN (SELECT class, object FROM parts)
             LIMIT 1",
            &[&relations, &functions],
        )
        .await
        .map_err(|error| Error::of_statement("refuse_dependents", error))?;
    match found {
        Some(row) => Err(Error::Depended { what: row.column("what")? }),
        None => Ok(()),
    }
}

/// Tables, each after those that it refers to.
async fn in_order(client: &Client, tables: &[&str]) -> Result<Vec<String>> {
    let rows = client
        .query(
            "-- references
             SELECT c.relname::text AS name,
                    array_remove(array_agg(DISTINCT r.relname::text), NULL) AS needs
             FROM pg_class c
             LEFT JOIN pg_constraint f ON f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid
             LEFT JOIN pg_class r ON r.oid = f.confrelid
             WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
               AND c.relname = ANY ($1)
             GROUP BY c.relname",
            &[&tables],
        )
        .await
        .map_err(|error| Error::of_statement("references", error))?;
    let mut waiting: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        waiting.insert(row.column("name")?, row.column("needs")?);
    }
    let mut order: Vec<String> = Vec::new();
    while !waiting.is_empty() {
        let ready = |needs: &Vec<String>| needs.iter().all(|needed| order.contains(needed));
        let next = waiting.iter().find(|(_, needs)| ready(needs)).map(|(name, _)| name.clone());
        // Tables that refer to each other have no order; the last resort lets the server say so.
        let Some(next) = next.or_else(|| waiting.keys().next().cloned()) else { break };
        waiting.remove(&next);
        order.push(next);
    }
    Ok(order)
}

//! The schema: migrated, complete, and open to people's own SQL.

use agent_turbo_db::{self as db, Client, Database, RowExt, SchemaState};
use anyhow::{Context, Result, ensure};

use super::World;
use super::report::Report;
use super::scratch::Scratch;

const TABLES: [&str; 6] = [
    "agent_actions",
    "agent_context_cache",
    "agent_knowledge",
    "agent_performance_metrics",
    "agent_sessions",
    "agent_tasks",
];

pub(super) async fn verify(world: &World, report: &mut Report) -> Result<()> {
    report
        .check("migrations applied", async {
            let state = db::migrate(&world.config).await?;
            let SchemaState::Current { version } = state else { anyhow::bail!("the schema is {state:?}") };
            Ok((format!("schema version {version}"), ()))
        })
        .await?;
    let database = Database::connect(world.config.clone()).await?;
    let client = database.client().await?;
    report.check("server", server(&client)).await?;
    report.check("six agent_* tables", tables(&client)).await?;
    report.criterion("the schema", "six agent_* tables", "six");
    for table in TABLES {
        report.check(table, describe(&client, table)).await?;
    }
    // A session that is deleted again leaves its actions in the audit trail, where nothing of ours is to stay.
    let scratch = Scratch::open(world).await?;
    let db = scratch.orchestrator.database();
    let outcome = async {
        let (first, second) = (db.client().await?, db.client().await?);
        session_round_trip(world, report, &first, &second).await
    }
    .await;
    let cleaned = scratch.close().await.context("clean-up");
    outcome.and(cleaned)
}

async fn server(client: &Client) -> Result<(String, ())> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version') AS version, e.extversion AS pgvector,
                    current_schema()::text AS schema
             FROM pg_extension AS e WHERE e.extname = 'vector'",
            &[],
        )
        .await?;
    let (version, pgvector): (String, String) = (row.column("version")?, row.column("pgvector")?);
    let schema: String = row.column("schema")?;
    Ok((format!("PostgreSQL {version}, pgvector {pgvector}, schema {schema}"), ()))
}

async fn tables(client: &Client) -> Result<(String, ())> {
    let rows = client
        .query(
            r"SELECT relname::text AS name FROM pg_class
              WHERE relkind IN ('r', 'p', 'v', 'm') AND relname LIKE 'agent\_%' AND pg_table_is_visible(oid)
              ORDER BY relname",
            &[],
        )
        .await?;
    let names: Vec<String> = rows.iter().map(|row| row.column("name")).collect::<db::Result<_>>()?;
    ensure!(names == TABLES, "these are there: {names:?}");
    Ok((names.join(", "), ()))
}

/// A table's columns and indexes, each of which must be there.
async fn describe(client: &Client, table: &str) -> Result<(String, ())> {
    let row = client
        .query_one(
            "SELECT (SELECT array_agg(attname::text || ' ' || format_type(atttypid, atttypmod) ORDER BY attnum)
                     FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns,
                    (SELECT array_agg(i.relname::text ORDER BY i.relname)
                     FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
                     WHERE x.indrelid = c.oid AND x.indisvalid) AS indexes
             FROM pg_class AS c WHERE c.oid = to_regclass($1)",
            &[&table],
        )
        .await?;
    let columns: Vec<String> = row.column("columns")?;
    let indexes: Option<Vec<String>> = row.column("indexes")?;
    let indexes = indexes.context("it has no index")?;
    let text = format!(
        "{} columns, {} indexes\n{}\n{}",
        columns.len(),
        indexes.len(),
        columns.join(", "),
        indexes.join(", ")
    );
    Ok((text, ()))
}

/// What people do by hand: insert a session, see it from elsewhere, delete it.
async fn session_round_trip(
    world: &World,
    report: &mut Report,
    first: &Client,
    second: &Client,
) -> Result<()> {
    let session = format!("verify_planner_{:08x}", rand::random::<u32>());
    let outcome = async {
        report
            .check("INSERT … RETURNING *", async {
                let row = first
                    .query_one(
                        "INSERT INTO agent_sessions
                             (session_id, agent_platform, agent_role, project, landing_context, status)
                         VALUES ($1, 'verify', 'planner', $2, '{\"verified\": true}', 'active') RETURNING *",
                        &[&session, &world.project.as_str()],
                    )
                    .await?;
                let (id, status): (String, String) = (row.column("session_id")?, row.column("status")?);
                ensure!(id == session && status == "active", "it came back as {id}, {status}");
                Ok((format!("{id} {status}, {} columns", row.len()), ()))
            })
            .await?;
        report
            .check("SELECT from a second connection", async {
                let row = second
                    .query_one("SELECT * FROM agent_sessions WHERE session_id = $1", &[&session])
                    .await?;
                let context: serde_json::Value = row.column("landing_context")?;
                ensure!(context["verified"] == true, "the landing context came back as {context}");
                Ok((format!("landing_context {context}"), ()))
            })
            .await
    }
    .await;
    // Also after a failure: nothing stays behind.
    let deleted = first.execute("DELETE FROM agent_sessions WHERE session_id = $1", &[&session]).await?;
    outcome?;
    report
        .check("DELETE", async {
            let left = second
                .query_one("SELECT count(*) AS count FROM agent_sessions WHERE session_id = $1", &[&session])
                .await?
                .column::<i64>("count")?;
            ensure!(deleted == 1 && left == 0, "{deleted} rows were deleted and {left} are left");
            Ok(("1 row deleted, 0 left", ()))
        })
        .await
}

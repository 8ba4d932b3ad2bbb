//! The pool: bounded, named rows, alive again after its backends are gone.

use std::collections::BTreeSet;

use agent_turbo_db::{self as db, Client, Database, RowExt};
use agent_turbo_orchestrator::{Node, Orchestrator};
use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::json;

use super::World;
use super::report::Report;

const QUERIES: usize = 64;

pub(super) async fn verify(world: &World, report: &mut Report) -> Result<()> {
    let config = db::Config { pool_min: 2, pool_max: 10, ..world.config.clone() };
    db::migrate(&config).await?;
    let pool = report
        .check("pool opens 2", async {
            let pool = Database::connect(config).await?;
            let open = pool.status().open;
            ensure!(open == 2, "{open} are open");
            Ok((format!("{open} connections"), pool))
        })
        .await?;
    let pids = report.check("grows to 10 under 64 queries", grow(&pool)).await?;
    report.criterion("the pool", "2 to 10 connections", "2 at rest, 10 under 64 queries");
    report
        .check("SELECT 1 AS test", async {
            let rows = pool.client().await?.query("SELECT 1 AS test", &[]).await?;
            let rows: Vec<_> = rows
                .iter()
                .map(|row| Ok(json!({ "test": row.column::<i32>("test")? })))
                .collect::<Result<_>>()?;
            let text = json!(rows).to_string();
            ensure!(text == r#"[{"test":1}]"#, "it is {text}");
            Ok((text, ()))
        })
        .await?;
    nodes(report, &pool).await?;
    report.check("reconnects after termination", reconnect(world, &pool, pids)).await
}

/// Each query stays long enough that all connections are wanted; the server's process ids tell how many there were.
async fn grow(pool: &Database) -> Result<(String, BTreeSet<i32>)> {
    let queries = (0..QUERIES).map(|_| async {
        let client = pool.client().await?;
        let row = client.query_one("SELECT pg_backend_pid() AS pid, pg_sleep(0.02)", &[]).await?;
        anyhow::Ok((row.column::<i32>("pid")?, pool.status().open))
    });
    let answers = try_join_all(queries).await?;
    let pids: BTreeSet<i32> = answers.iter().map(|(pid, _)| *pid).collect();
    let most = answers.iter().map(|(_, open)| *open).max().unwrap_or(0);
    ensure!(pids.len() == 10 && most == 10, "{} backends answered, {most} connections were open", pids.len());
    Ok((format!("{QUERIES} queries by {} backends, never more than {most} open", pids.len()), pids))
}

/// This machine is registered by whoever uses it first; a row that was made here goes again.
async fn nodes(report: &mut Report, pool: &Database) -> Result<()> {
    let machine = Node::this_machine();
    let orchestrator = Orchestrator::new(pool.clone());
    let known = orchestrator.node_named(&machine.node_name).await?.is_some();
    let outcome = report
        .check("system_nodes", async {
            orchestrator.register_node(&machine).await?;
            let count = orchestrator.count_nodes().await?;
            let stored = orchestrator.node_named(&machine.node_name).await?;
            let stored = stored.context("this machine is not there")?.node;
            ensure!(count >= 1, "there are {count}");
            ensure!(stored.cpu_cores_total == machine.cpu_cores_total, "the hardware is {stored:?}");
            let cpu = stored.cpu_model.as_deref().unwrap_or("unknown processor").to_owned();
            let (cores, ram) = (stored.cpu_cores_total.unwrap_or(0), stored.ram_gb.unwrap_or(0.0));
            Ok((format!("{count}; {}: {cpu}, {cores} cores, {ram:.1} GiB", stored.node_name), ()))
        })
        .await;
    if !known {
        let client = pool.client().await?;
        client.execute("DELETE FROM system_nodes WHERE node_name = $1", &[&machine.node_name]).await?;
    }
    outcome
}

async fn reconnect(world: &World, pool: &Database, pids: BTreeSet<i32>) -> Result<(String, ())> {
    let old: Vec<i32> = pids.into_iter().collect();
    let other = Database::connect(db::Config { pool_min: 1, ..world.config.clone() }).await?;
    let terminated = other
        .client()
        .await?
        .query_one(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000)) AS terminated FROM unnest($1::integer[]) AS pid",
            &[&old],
        )
        .await?
        .column::<i64>("terminated")?;
    ensure!(terminated == 10, "{terminated} backends were terminated");
    let pid: i32 = pool
        .run("verify_reconnect", async |client: Client| {
            let row = client
                .query_one("SELECT pg_backend_pid() AS pid", &[])
                .await
                .map_err(|error| db::Error::of_statement("verify_reconnect", error))?;
            row.column("pid")
        })
        .await?;
    ensure!(!old.contains(&pid), "a terminated backend answered");
    Ok((format!("{terminated} backends terminated, a new one answers"), ()))
}

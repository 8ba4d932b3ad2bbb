use std::process::Command;

use agent_turbo_db::{Database, SchemaState, schema_state};
use agent_turbo_knowledge::{Options, Store};
use agent_turbo_stack as stack;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::json;

use crate::deployment::Deployment;
use crate::exit::{Exit, hint};
use crate::output::{BAD, DIM, GOOD, Output, harmless};

/// Check everything that is needed, and say how to mend what is wrong. Starts nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    found: String,
    fix: Option<String>,
}

/// Free space below which a database is soon in trouble.
const LITTLE_SPACE: u64 = 1 << 30;

impl Doctor {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let mut checks = vec![
            check("home", home(deployment), "set AGENT_TURBO_HOME to a folder that this user can write to"),
            check(
                "packages",
                packages(deployment),
                "install python3 with pip, or set DATABASE_URL and AGENT_TURBO_EMBED_URL",
            ),
        ];
        let (database, reached) = match database(deployment).await {
            Ok(database) => (Some(database.clone()), address(deployment, &database).await),
            Err(error) => (None, Err(error)),
        };
        checks.push(check("database", reached, "run `agent-turbo up`"));
        if let Some(database) = &database {
            checks.push(check("schema", schema(database).await, "run `agent-turbo migrate`"));
            checks.push(check(
                "writing",
                writing(database).await,
                "connect to the primary, as a user that may write",
            ));
            checks.push(check("embedding", embedding(deployment, database).await, "run `agent-turbo up`"));
        }
        for check in &checks {
            let (style, mark) = if check.ok { (GOOD, '✔') } else { (BAD, '✘') };
            out.line(format_args!("{style}{mark}{style:#} {:<10} {}", check.name, check.found));
            if let Some(fix) = &check.fix {
                out.line(format_args!("             {DIM}→ {fix}{DIM:#}"));
            }
        }
        let well = checks.iter().all(|check| check.ok);
        out.print(&json!({ "ok": well, "checks": checks }))?;
        Ok(if well { Exit::Done } else { Exit::Failed })
    }
}

fn check(name: &'static str, outcome: Result<String>, fix: &str) -> Check {
    match outcome {
        Ok(found) => Check { name, ok: true, found, fix: None },
        Err(error) => {
            let fix = hint(&error).unwrap_or_else(|| fix.to_owned());
            let found = harmless(&format!("failed to {error:#}"));
            Check { name, ok: false, found, fix: Some(fix) }
        }
    }
}

fn home(deployment: &Deployment) -> Result<String> {
    let path = deployment.home.path();
    std::fs::create_dir_all(path).with_context(|| format!("make {}", path.display()))?;
    let probe = path.join(".doctor");
    std::fs::write(&probe, b"x").with_context(|| format!("write in {}", path.display()))?;
    std::fs::remove_file(&probe)?;
    let free = free_space(path)?;
    if free < LITTLE_SPACE {
        bail!("have room in {}: {} are free", path.display(), crate::output::bytes(free));
    }
    Ok(format!("{}, {} free", path.display(), crate::output::bytes(free)))
}

fn free_space(path: &std::path::Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(path).context("ask for free space")?;
    Ok(stat.f_bavail * stat.f_frsize)
}

/// Python is only needed until the packages have been fetched.
fn packages(deployment: &Deployment) -> Result<String> {
    let status = stack::status(&deployment.home);
    if status.data_bytes > 0 && !status.embedders.is_empty() {
        return Ok("fetched".to_owned());
    }
    let own = deployment.settings.database_url().is_some() && !deployment.settings.embed_url.is_empty();
    if own {
        return Ok("not needed".to_owned());
    }
    for python in ["python3", "python"] {
        let version = Command::new(python).args(["-m", "pip", "--version"]).output();
        if let Ok(output) = version
            && output.status.success()
        {
            let text = String::from_utf8_lossy(&output.stdout);
            return Ok(text.split(" from ").next().unwrap_or_default().trim().to_owned());
        }
    }
    bail!("find python3 with pip")
}

async fn database(deployment: &Deployment) -> Result<Database> {
    let url = match deployment.settings.database_url() {
        Some(url) => url,
        None => match stack::status(&deployment.home).postgres {
            Some(postgres) => agent_turbo_db::ConnectionUrl::new(postgres.url.expose()),
            None => bail!("find the embedded PostgreSQL running"),
        },
    };
    let config = agent_turbo_db::Config { pool_min: 1, ..deployment.settings.database(url) };
    Ok(Database::connect(config).await?)
}

/// Who answers. With several hosts in DATABASE_URL only the server itself can tell.
async fn address(deployment: &Deployment, database: &Database) -> Result<String> {
    use agent_turbo_db::RowExt;
    if deployment.settings.database_url().is_none() {
        let postgres = stack::status(&deployment.home).postgres.context("see the embedded PostgreSQL")?;
        return Ok(format!("the embedded PostgreSQL answers at 127.0.0.1:{}", postgres.port));
    }
    let row = database
        .client()
        .await?
        .query_one(
            "-- address
             SELECT coalesce(host(inet_server_addr()) || ':' || inet_server_port(),
                             'a Unix socket, port ' || current_setting('port')) AS address",
            &[],
        )
        .await
        .context("ask the server for its address")?;
    let address: String = row.column("address")?;
    Ok(format!("the server of DATABASE_URL answers at {address}"))
}

async fn schema(database: &Database) -> Result<String> {
    match schema_state(&*database.client().await?, database.config()).await? {
        SchemaState::Current { version } => Ok(format!("version {version}")),
        SchemaState::Behind { found, known } => {
            bail!("find the schema up to date: it is at {found} of {known}")
        }
        SchemaState::Missing => bail!("find the schema: nothing is there yet"),
    }
}

async fn writing(database: &Database) -> Result<String> {
    use agent_turbo_db::RowExt;
    let row = database
        .client()
        .await?
        .query_one("-- doctor\nSELECT current_setting('transaction_read_only') = 'on' AS read_only", &[])
        .await
        .context("ask whether the server takes writes")?;
    if row.column("read_only")? {
        bail!("write: the server is read-only");
    }
    Ok("the server takes writes".to_owned())
}

async fn embedding(deployment: &Deployment, database: &Database) -> Result<String> {
    let url = if deployment.settings.embed_url.is_empty() {
        let running = stack::status(&deployment.home).embedders.into_iter().find(|embedder| embedder.healthy);
        running.map_or_else(|| "http://127.0.0.1:8765".to_owned(), |embedder| embedder.url)
    } else {
        deployment.settings.embed_url.clone()
    };
    let client = agent_turbo_embed::Client::new(agent_turbo_embed::Config::new(url.clone()))?;
    let health = client.health().await?;
    if !health.is_healthy() {
        bail!("find the embedding service at {url} healthy: it says {:?}", health.status);
    }
    // Opening the store agrees on the stored model; the vector shows whether the service keeps to it.
    Store::open(database.clone(), client.clone(), Options { result_cache_bytes: 0, ..Options::default() })
        .await?;
    let vector = client.embed("Does the embedding service work?").await?;
    Ok(format!("{} at {url}", vector.model))
}

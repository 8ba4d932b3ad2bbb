use agent_turbo_db::RowExt;
use agent_turbo_knowledge::{Options, Store};
use agent_turbo_orchestrator::{Node, Orchestrator};
use agent_turbo_stack as stack;
use anyhow::{Context, Result};
use serde_json::json;

use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output};

/// Start what is needed and say what runs where.
#[derive(Debug, clap::Args)]
pub(crate) struct Up {}

impl Up {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (database, embedding) =
            tokio::join!(deployment.open_database(Lifetime::OneCommand), deployment.embedding());
        let (database, embedding) = (database?, embedding?);
        let node = Node::this_machine();
        Orchestrator::new(database.clone()).register_node(&node).await?;
        let health = embedding.health().await?;
        let url = embedding.url();
        let store =
            Store::open(database.clone(), embedding, Options { result_cache_bytes: 0, ..Options::default() })
                .await?;
        let entries = store.stats(None).await?.entries;
        let row = database
            .client()
            .await?
            .query_one(
                "-- up
                 SELECT current_setting('server_version') AS version, current_database()::text AS name,
                        (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS pgvector",
                &[],
            )
            .await
            .context("ask the server for its version")?;
        let (version, name): (String, String) = (row.column("version")?, row.column("name")?);
        let pgvector: String = row.column("pgvector")?;
        let embedded = deployment.settings.database_url().is_none();
        let place = if embedded {
            let status = stack::status(&deployment.home);
            let postgres = status.postgres.context("see the embedded PostgreSQL that was just started")?;
            format!(
                "127.0.0.1:{}, pid {}, data in {}",
                postgres.port,
                postgres.pid,
                postgres.data_dir.display()
            )
        } else {
            "the server of DATABASE_URL".to_owned()
        };
        out.line(format_args!(
            "{BOLD}Database{BOLD:#}   PostgreSQL {version} with pgvector {pgvector}, database {name}"
        ));
        out.line(format_args!("           {DIM}{place}{DIM:#}"));
        out.line(format_args!(
            "{BOLD}Embedding{BOLD:#}  {} ({} dimensions)",
            health.embedding_model, health.embedding_dim
        ));
        out.line(format_args!("           {DIM}{url}{DIM:#}"));
        out.line(format_args!("{BOLD}Knowledge{BOLD:#}  {entries} entries"));
        out.line(format_args!("{BOLD}Machine{BOLD:#}    {}", node.node_name));
        out.line("");
        out.line("Try: agent-turbo add \"PostgreSQL is a powerful database\"");
        out.line("     agent-turbo query \"database\" --limit 2");
        out.print(&json!({
            "database": { "version": version, "name": name, "pgvector": pgvector, "embedded": embedded, "place": place },
            "embedding": { "url": url, "model": health.embedding_model, "dimensions": health.embedding_dim },
            "entries": entries,
            "node": node,
        }))?;
        Ok(Exit::Done)
    }
}

use agent_turbo_stack as stack;
use anyhow::{Context, Result};
use serde_json::json;

use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::Output;

/// Print the database's connection string, password included, for psql and other programs.
///
/// Starts the embedded database if it does not run: `psql "$(agent-turbo url)"` always works.
#[derive(Debug, clap::Args)]
pub(crate) struct Url {
    /// The embedded database over TCP, for programs that cannot use a Unix socket.
    #[arg(long)]
    tcp: bool,
}

impl Url {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let config = deployment.database_config().await?;
        let mut url = config.url.expose().to_owned();
        if self.tcp && deployment.settings.database_url().is_none() {
            let options = stack::PostgresOptions::default();
            let postgres = stack::ensure_postgres(&deployment.home, &options, &stack::quiet).await;
            url = postgres.context("find the embedded PostgreSQL")?.tcp_url().expose();
        }
        out.line(&url);
        out.print(&json!({ "url": url }))?;
        Ok(Exit::Done)
    }
}

use agent_turbo_stack as stack;
use anyhow::Result;
use serde_json::json;

use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::Output;

/// Stop the embedded database and embedding service; data stays.
#[derive(Debug, clap::Args)]
pub(crate) struct Down {}

impl Down {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let done = stack::down(&deployment.home).await?;
        match &done.postgres {
            Some(stopped) => out.line(format_args!("Stopped PostgreSQL (pid {})", stopped.pid)),
            None => out.line("The embedded PostgreSQL was not running"),
        }
        for (model, stopped) in &done.embedders {
            out.line(format_args!("Stopped the embedding service for {model} (pid {})", stopped.pid));
        }
        let embedders: Vec<_> = done
            .embedders
            .iter()
            .map(|(model, stopped)| json!({ "model": model, "pid": stopped.pid }))
            .collect();
        out.print(&json!({ "postgres": done.postgres.map(|stopped| stopped.pid), "embedders": embedders }))?;
        Ok(Exit::Done)
    }
}

use agent_turbo_stack as stack;
use anyhow::Result;
use serde_json::json;

use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, bytes};

/// Show what runs, without starting anything.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {}

impl Status {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let home = deployment.home.clone();
        let status = tokio::task::spawn_blocking(move || stack::status(&home)).await?;
        let own_database = deployment.settings.database_url().is_some();
        if own_database {
            out.line(format_args!(
                "{BOLD}Database{BOLD:#}   DATABASE_URL is set, so the embedded PostgreSQL is not used"
            ));
        }
        match &status.postgres {
            Some(postgres) => {
                out.line(format_args!(
                    "{BOLD}PostgreSQL{BOLD:#} {} running, pid {}, 127.0.0.1:{}, up {}",
                    postgres.version,
                    postgres.pid,
                    postgres.port,
                    indicatif::HumanDuration(postgres.uptime)
                ));
                let size = bytes(status.data_bytes);
                out.line(format_args!("           {DIM}{size} in {}{DIM:#}", postgres.data_dir.display()));
            }
            None if status.data_bytes > 0 => {
                out.line(format_args!(
                    "{BOLD}PostgreSQL{BOLD:#} stopped, {} of data",
                    bytes(status.data_bytes)
                ));
            }
            None => out.line(format_args!("{BOLD}PostgreSQL{BOLD:#} not set up; `agent-turbo up` does it")),
        }
        for embedder in &status.embedders {
            out.line(format_args!(
                "{BOLD}Embedding{BOLD:#}  {} {}, pid {}, {}, up {}",
                embedder.model,
                if embedder.healthy { "healthy" } else { "not answering" },
                embedder.pid,
                embedder.url,
                indicatif::HumanDuration(embedder.uptime)
            ));
        }
        if status.embedders.is_empty() {
            out.line(format_args!("{BOLD}Embedding{BOLD:#}  the embedded service is stopped"));
        }
        out.line(format_args!("{BOLD}Home{BOLD:#}       {}", status.home.display()));
        let postgres = status.postgres.as_ref().map(|postgres| {
            json!({ "pid": postgres.pid, "port": postgres.port, "version": postgres.version,
                    "data_dir": postgres.data_dir,
                    "bin_dir": postgres.bin_dir, "uptime_seconds": postgres.uptime.as_secs() })
        });
        let embedders: Vec<_> = status
            .embedders
            .iter()
            .map(|embedder| {
                json!({ "pid": embedder.pid, "url": embedder.url, "model": embedder.model,
                        "healthy": embedder.healthy, "uptime_seconds": embedder.uptime.as_secs() })
            })
            .collect();
        out.print(
            &json!({ "home": status.home, "own_database": own_database, "data_bytes": status.data_bytes,
                           "postgres": postgres, "embedders": embedders }),
        )?;
        Ok(Exit::Done)
    }
}

use agent_turbo_db::{self as db, SchemaState};
use anyhow::Result;
use serde_json::json;

use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::output::Output;

/// Bring the database's schema up to date.
///
/// Other commands do it by themselves when they meet an older schema; this one does nothing else.
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {}

impl Migrate {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let config = deployment.database_config().await?;
        let (SchemaState::Current { version } | SchemaState::Behind { found: version, .. }) =
            db::migrate(&config).await?
        else {
            anyhow::bail!("find the schema after migrating it");
        };
        out.line(format_args!("The schema is at version {version}"));
        out.print(&json!({ "version": version }))?;
        Ok(Exit::Done)
    }
}

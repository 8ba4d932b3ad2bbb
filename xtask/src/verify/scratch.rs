use agent_turbo_db::{self as db, Client, Database, RowExt};
use agent_turbo_orchestrator::Orchestrator;
use anyhow::{Result, ensure};

use super::World;

const PREFIX: &str = "agent_turbo_verify_";

/// A schema of verification's own in the database that is verified.
///
/// An audit trail can be added to and purged, but a purge leaves its record: sessions, tasks and actions that are gone
/// without a trace need tables of their own. The database, its settings and the program are those of every day.
pub(super) struct Scratch {
    pub(super) config: db::Config,
    pub(super) orchestrator: Orchestrator,
    /// Holds the lock that says that the schema is in use; taken from the pool for good.
    owner: Client,
    name: String,
}

impl Scratch {
    /// A migrated schema; what a verification that was killed left behind goes.
    pub(super) async fn open(world: &World) -> Result<Self> {
        let name = format!("{PREFIX}{:08x}", rand::random::<u32>());
        let admin = Database::connect(db::Config { pool_min: 1, ..world.config.clone() }).await?;
        let owner = admin.client().await?;
        owner.query("SELECT pg_advisory_lock(hashtextextended($1, 0))", &[&name]).await?;
        remove_leftovers(&owner).await?;
        let config = db::Config { schema: Some(name.clone()), ..world.config.clone() };
        let opened = async {
            db::migrate(&config).await?;
            anyhow::Ok(Orchestrator::new(Database::connect(config.clone()).await?))
        };
        match opened.await {
            Ok(orchestrator) => Ok(Self { config, orchestrator, owner, name }),
            Err(error) => {
                drop_schema(&owner, &name).await?;
                Err(error)
            }
        }
    }

    /// Drops the schema with everything in it.
    pub(super) async fn close(self) -> Result<()> {
        self.orchestrator.database().close();
        drop_schema(&self.owner, &self.name).await?;
        let left = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS left";
        ensure!(
            !self.owner.query_one(left, &[&self.name]).await?.column::<bool>("left")?,
            "the schema {} is still there",
            self.name
        );
        Ok(())
    }
}

/// Schemas whose owners are gone.
async fn remove_leftovers(client: &Client) -> Result<()> {
    let rows = client
        .query(
            "SELECT nspname::text AS name FROM pg_namespace
             WHERE starts_with(nspname, $1) AND pg_try_advisory_xact_lock(hashtextextended(nspname, 0))",
            &[&PREFIX],
        )
        .await?;
    for row in rows {
        drop_schema(client, row.column("name")?).await?;
    }
    Ok(())
}

async fn drop_schema(client: &Client, name: &str) -> Result<()> {
    // The name is our own: letters, digits and underscores.
    client.batch_execute(&format!("DROP SCHEMA IF EXISTS \"{name}\" CASCADE")).await?;
    Ok(())
}

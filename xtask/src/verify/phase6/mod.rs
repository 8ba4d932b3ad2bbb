//! The move from SQLite, and what is promised of speed and of many agents at once: in tables of verification's own.

mod load;
mod migration;
mod stalls;
mod stores;

use agent_turbo_knowledge::{Options, Store};
use anyhow::{Context, Result};

use super::World;
use super::report::Report;
use super::scratch::Scratch;

pub(super) async fn verify(world: &World, report: &mut Report) -> Result<()> {
    let embedding = world.deployment.embedding().await?;
    let scratch = Scratch::open(world).await?;
    let outcome = async {
        let database = scratch.orchestrator.database();
        let store = Store::open(database.clone(), embedding, Options::default()).await?;
        migration::verify(world, report, &store, database).await?;
        load::entries(world, report, &store).await?;
        load::sessions(report, &scratch).await
    }
    .await;
    let cleaned = scratch.close().await.context("clean-up");
    outcome.and(cleaned)
}

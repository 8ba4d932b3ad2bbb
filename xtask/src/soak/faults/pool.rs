use std::time::Duration;

use agent_turbo_db::Database;
use anyhow::Result;

/// Takes every connection, one after the other as the agents give them back, and keeps them.
pub(super) async fn fill(database: &Database, time: Duration) -> Result<()> {
    let mut held = Vec::new();
    while held.len() < database.status().max {
        match database.client().await {
            Ok(client) => held.push(client),
            // Another fault at the same time has taken the server away: what is held is held.
            Err(_) => break,
        }
    }
    tokio::time::sleep(time).await;
    Ok(())
}

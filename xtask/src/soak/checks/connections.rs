use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::soak::Soak;

/// Each process listens for knowledge, for landing contexts and for tasks.
const LISTENERS: usize = 3;
/// The server may still be closing what is no longer used.
const CLOSING: Duration = Duration::from_secs(20);

/// While nobody works: the server has no more connections of a process than that process knows of.
pub(super) async fn held(soak: &Soak) -> Result<String> {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    known.insert(soak.process.name.clone(), soak.process.connections().pool + LISTENERS);
    for name in soak.workers.names() {
        let quiet = soak.oracle().workers.get(&name).and_then(|worker| worker.quiet);
        known.insert(name, quiet.map_or(0, |connections| connections.pool) + LISTENERS);
    }
    let admin = soak.world.admin().await?;
    let until = Instant::now() + CLOSING;
    loop {
        let open = open(&admin).await?;
        let surplus: Vec<_> =
            open.iter().filter(|(name, count)| known.get(*name).is_none_or(|known| *count > known)).collect();
        if surplus.is_empty() {
            let (open, known): (usize, usize) = (open.values().sum(), known.values().sum());
            return Ok(format!("{open} open, {known} known"));
        }
        if Instant::now() >= until {
            bail!("the server has {surplus:?}, the processes know of {known:?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// After everything was closed, except for the listeners of this process, which end with it.
pub(super) async fn gone(admin: &Client) -> Result<String> {
    let until = Instant::now() + CLOSING;
    loop {
        let open = open(admin).await?;
        if open.values().sum::<usize>() <= LISTENERS {
            return Ok(format!("{} listeners of this process are left", open.values().sum::<usize>()));
        }
        if Instant::now() >= until {
            bail!("still open: {open:?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn open(admin: &Client) -> Result<BTreeMap<String, usize>> {
    let rows = admin
        .query(
            "SELECT application_name, count(*) FROM pg_stat_activity
             WHERE application_name LIKE 'soak-%' AND pid <> pg_backend_pid() AND application_name <> 'soak-admin'
             GROUP BY 1",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), usize::try_from(row.get::<_, i64>(1)).unwrap_or(0))).collect())
}

use anyhow::Result;
use rand::seq::IteratorRandom as _;
use rand::{SeedableRng as _, rngs::StdRng};

use crate::soak::world::World;

/// The connections of the soak's processes, oldest first; `listening` for those that do nothing but listen.
const BACKENDS: &str = "SELECT pid, state = 'idle' AND query ~ '^(LISTEN.*|)$' AS listening
    FROM pg_stat_activity WHERE application_name LIKE 'soak-%' AND pid <> pg_backend_pid() ORDER BY backend_start, pid";

pub(super) async fn terminate(world: &World, percent: u32, draw: u64) -> Result<()> {
    let admin = world.admin().await?;
    let all: Vec<i32> = admin.query(BACKENDS, &[]).await?.iter().map(|row| row.get("pid")).collect();
    let count = (all.len() * percent as usize).div_ceil(100);
    let victims = all.into_iter().sample(&mut StdRng::seed_from_u64(draw), count);
    terminate_all(&admin, victims).await
}

pub(super) async fn drop_listeners(world: &World) -> Result<()> {
    let admin = world.admin().await?;
    let rows = admin.query(BACKENDS, &[]).await?;
    let listening = rows.iter().filter(|row| row.get("listening")).map(|row| row.get("pid")).collect();
    terminate_all(&admin, listening).await
}

async fn terminate_all(admin: &tokio_postgres::Client, pids: Vec<i32>) -> Result<()> {
    admin.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int4[]) AS pid", &[&pids]).await?;
    Ok(())
}

//! Making things go wrong, and right again.

mod backends;
mod embedder;
mod pool;
mod server;

use std::time::Duration;

use anyhow::Result;

use super::Soak;
use super::event::now;
use super::proxy::Way;
use super::schedule::Fault;

impl Soak {
    /// From before the fault until it is over. The database is whole when this returns.
    pub(super) async fn suffer(&mut self, faults: &[Fault]) -> Result<()> {
        let windows: Vec<usize> =
            faults.iter().map(|fault| self.oracle().fault_begins(*fault, now())).collect();
        let mut workers = None;
        let mut lasting = Vec::new();
        for fault in faults {
            match fault {
                Fault::KillWorker { draw } => workers = Some(*draw),
                other => lasting.push(self.one(*other)),
            }
        }
        let outcomes = futures_util::future::join_all(lasting).await;
        if let Some(draw) = workers {
            self.workers.kill_one(draw).await?;
        }
        for window in windows {
            self.oracle().fault_ends(window, now());
        }
        outcomes.into_iter().collect()
    }

    async fn one(&self, fault: Fault) -> Result<()> {
        let world = &self.world;
        match fault {
            Fault::TerminateBackends { percent, draw } => backends::terminate(world, percent, draw).await,
            Fault::DropListeners => backends::drop_listeners(world).await,
            Fault::KillServer { down_ms } => server::kill(world, Duration::from_millis(down_ms)).await,
            Fault::PauseServer { ms } => server::pause(world, Duration::from_millis(ms)).await,
            Fault::EmbedderDown { ms } => {
                embedder::take(&world.proxy, Way::Closed, ms).await;
                Ok(())
            }
            Fault::EmbedderSlow { delay_ms, ms } => {
                embedder::take(&world.proxy, Way::Slow(Duration::from_millis(delay_ms)), ms).await;
                Ok(())
            }
            Fault::EmbedderWrong { how, ms } => {
                embedder::take(&world.proxy, Way::Wrong(how), ms).await;
                Ok(())
            }
            Fault::FillPool { ms } => pool::fill(&self.process.database, Duration::from_millis(ms)).await,
            Fault::KillWorker { .. } => Ok(()),
        }
    }
}

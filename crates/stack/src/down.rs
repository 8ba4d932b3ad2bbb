//! Stopping what runs.

use std::time::Duration;

use crate::blocking;
use crate::embedder::Instance;
use crate::error::Error;
use crate::home::Home;
use crate::lock::Lock;
use crate::postgres;
use crate::progress::quiet;

/// Whoever is starting something right now is waited for, but not through a whole download.
const PATIENCE: Duration = Duration::from_mins(1);

/// A process that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Its number.
    pub pid: u32,
    /// It did not end in its own time: PostgreSQL got an immediate shutdown and will recover at its next start; an
    /// embedding service was killed.
    pub forced: bool,
}

/// What [`down`] stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DownReport {
    /// The database server, if it ran.
    pub postgres: Option<Stopped>,
    /// The embedding services that ran, with their models.
    pub embedders: Vec<(String, Stopped)>,
}

/// Stops everything of this home and returns when it is gone. Open transactions are rolled back; data stays.
pub async fn down(home: &Home) -> Result<DownReport, Error> {
    let home = home.clone();
    blocking::run(&quiet, move |report| {
        let mut done = DownReport::default();
        for instance in Instance::all(&home) {
            let _lock = Instance::lock(&home, &instance.model, PATIENCE, report)?;
            // Whoever held the lock may have replaced it.
            let Some(instance) = Instance::read(&Instance::file(&home, &instance.model)) else {
                continue;
            };
            if let Some(stopped) = instance.stop(&home)? {
                done.embedders.push((instance.model, stopped));
            }
        }
        if home.postgres().is_dir() {
            let _lock = Lock::acquire(&home.lock("postgres"), PATIENCE, report)?;
            done.postgres = postgres::stop(&home)?;
        }
        Ok(done)
    })
    .await
}

//! Stopping the server.

use std::time::Duration;

use rustix::process::Signal;

use crate::down::Stopped;
use crate::error::Error;
use crate::home::Home;
use crate::postgres::Postmaster;
use crate::process::{signal, wait_until};

/// How long a fast shutdown (open transactions are rolled back) may take before an immediate one follows.
const FAST_LIMIT: Duration = Duration::from_secs(30);

/// An immediate shutdown loses nothing that was acknowledged; the next start recovers.
const IMMEDIATE_LIMIT: Duration = Duration::from_secs(10);

/// Stops the server of this home, if there is one. The caller holds its lock.
pub(crate) fn stop(home: &Home) -> Result<Option<Stopped>, Error> {
    let data_dir = home.data_dir();
    match Postmaster::read(&data_dir).filter(|it| it.accepts() || it.is_alive(&data_dir)) {
        Some(found) => stop_found(home, &found).map(Some),
        None => Ok(None),
    }
}

pub(crate) fn stop_found(home: &Home, found: &Postmaster) -> Result<Stopped, Error> {
    let data_dir = home.data_dir();
    let gone = || !found.is_alive(&data_dir) && !found.accepts();
    let pid = found.pid;
    for (how, limit, forced) in [(Signal::INT, FAST_LIMIT, false), (Signal::QUIT, IMMEDIATE_LIMIT, true)] {
        tracing::debug!(pid, signal = ?how, "stopping PostgreSQL");
        signal(pid, how);
        if wait_until(limit, gone) {
            return Ok(Stopped { pid, forced });
        }
    }
    Err(Error::NotStopped { service: "PostgreSQL".to_owned(), pid })
}

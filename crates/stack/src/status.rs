//! What runs, without starting anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::embedder::Instance;
use crate::home::Home;
use crate::postgres::{Postgres, Postmaster};
use crate::url::ConnectionUrl;

/// What runs where in a home.
#[derive(Debug, Clone)]
pub struct Status {
    /// The folder that everything is in.
    pub home: PathBuf,
    /// The bytes that the database occupies, running or not; 0 when there is none.
    pub data_bytes: u64,
    /// The database server, if it runs.
    pub postgres: Option<PostgresStatus>,
    /// The embedding services that run, one per model.
    pub embedders: Vec<EmbedderStatus>,
}

/// A running database server.
#[derive(Debug, Clone)]
pub struct PostgresStatus {
    /// Its main process.
    pub pid: u32,
    /// Its loopback port.
    pub port: u16,
    /// Where to connect.
    pub url: ConnectionUrl,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// The folder of its programs.
    pub bin_dir: PathBuf,
    /// Its version, such as `18.6`.
    pub version: String,
    /// For how long it has been running.
    pub uptime: Duration,
}

/// A running embedding service.
#[derive(Debug, Clone)]
pub struct EmbedderStatus {
    /// Its process.
    pub pid: u32,
    /// Where it answers.
    pub url: String,
    /// The model that it serves.
    pub model: String,
    /// Whether it answers, and says that it is healthy; it does not while it loads its model.
    pub healthy: bool,
    /// For how long it has been running.
    pub uptime: Duration,
}

/// Looks at what runs. Starts nothing, takes no lock; blocks for two seconds at most per service that hangs.
pub fn status(home: &Home) -> Status {
    let postgres = Postgres::running(home).map(|postgres| PostgresStatus {
        pid: postgres.pid(),
        port: postgres.port(),
        url: postgres.url().clone(),
        uptime: Postmaster::read(postgres.data_dir())
            .and_then(|postmaster| SystemTime::now().duration_since(postmaster.started).ok())
            .unwrap_or_default(),
        bin_dir: postgres.bin_dir().to_owned(),
        version: postgres.version().to_owned(),
        data_dir: postgres.data_dir().to_owned(),
    });
    let embedders = Instance::all(home)
        .into_iter()
        .filter(Instance::is_alive)
        .map(|instance| EmbedderStatus {
            pid: instance.pid,
            url: instance.url(),
            healthy: instance.is_healthy(),
            uptime: instance.uptime(),
            model: instance.model,
        })
        .collect();
    Status { home: home.path().to_owned(), data_bytes: size(&home.data_dir()), postgres, embedders }
}

/// The bytes of all files below a folder. The server makes and removes files meanwhile; what is gone counts nothing.
fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.fold(0, |sum, entry| {
        sum + match entry.file_type() {
            Ok(kind) if kind.is_dir() => size(&entry.path()),
            Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |meta| meta.len()),
            _ => 0,
        }
    })
}

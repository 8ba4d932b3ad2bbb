//! The private PostgreSQL server.

mod archive;
mod choose;
mod init;
mod orphans;
mod postmaster;
mod settings;
mod socket;
mod start;
mod state;
mod stop;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::blocking;
use crate::error::Error;
use crate::home::Home;
use crate::progress::Progress;
use crate::url::ConnectionUrl;

pub use archive::{ArchivedTable, Archiver, DumpOptions};
pub(crate) use postmaster::Postmaster;
pub(crate) use state::State;
pub(crate) use stop::stop;

pub(crate) const USER: &str = "agent_turbo";
pub(crate) const DATABASE: &str = "agent_turbo";

/// What the database promises about a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// What was acknowledged survives (`fsync`, `synchronous_commit` and `full_page_writes` on).
    #[default]
    Full,
    /// Nothing survives a crash of the machine: for clusters that are thrown away after a test.
    None,
}

/// How to start the private PostgreSQL, when it does not run yet.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Full, unless the cluster is thrown away afterwards.
    pub durability: Durability,
    /// The loopback port to prefer. When it is taken, or none is given, a free one is used (the same as last time,
    /// if possible).
    pub port: Option<u16>,
    /// How long to wait for another process that is starting it: 15 minutes, because that one may be downloading.
    pub patience: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { durability: Durability::default(), port: None, patience: crate::lock::PATIENCE }
    }
}

/// A running PostgreSQL server with the empty database `agent_turbo`, in which pgvector can be created.
#[derive(Debug, Clone)]
pub struct Postgres {
    url: ConnectionUrl,
    tcp_url: ConnectionUrl,
    pid: u32,
    port: u16,
    socket_dir: PathBuf,
    data_dir: PathBuf,
    state: State,
}

impl Postgres {
    /// Where to connect: through the Unix socket, which only this user (and root) can reach.
    pub fn url(&self) -> &ConnectionUrl {
        &self.url
    }

    /// The same over TCP on 127.0.0.1, for programs that cannot use a Unix socket.
    pub fn tcp_url(&self) -> &ConnectionUrl {
        &self.tcp_url
    }

    /// The server's main process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The loopback port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its Unix socket.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The folder of its programs: psql, pg_dump, …
    pub fn bin_dir(&self) -> &Path {
        &self.state.bin
    }

    /// Its version, such as `18.6`.
    pub fn version(&self) -> &str {
        &self.state.version
    }

    /// The server of this home if it runs. Cheap: every command of the program pays for this.
    pub(crate) fn running(home: &Home) -> Option<Self> {
        let data_dir = home.data_dir();
        let postmaster = Postmaster::read(&data_dir)?;
        if !postmaster.is_up(&data_dir) {
            return None;
        }
        let password = crate::files::read_small(&home.password()).ok()??;
        let password = password.trim();
        Some(Self {
            url: ConnectionUrl::socket(password, &postmaster.socket_dir, postmaster.port),
            tcp_url: ConnectionUrl::tcp(password, postmaster.port),
            state: State::read(home)?,
            pid: postmaster.pid,
            port: postmaster.port,
            socket_dir: postmaster.socket_dir,
            data_dir,
        })
    }
}

/// The private PostgreSQL of this home; downloaded, initialised and started as far as that has not been done yet.
///
/// Safe to call from any number of processes at once: one of them starts it.
pub async fn ensure_postgres(
    home: &Home,
    options: &PostgresOptions,
    progress: Progress<'_>,
) -> Result<Postgres, Error> {
    let (home, options) = (home.clone(), options.clone());
    blocking::run(progress, move |report| match Postgres::running(&home) {
        Some(postgres) => Ok(postgres),
        None => start::start(&home, &options, report),
    })
    .await
}

//! What the soak runs on: a PostgreSQL and an embedding service of its own, in a folder that goes when it ends.

use std::path::PathBuf;

use agent_turbo_db::{self as db, ConnectionUrl};
use agent_turbo_stack::{self as stack, EmbedderOptions, Home, PostgresOptions};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use tokio_postgres::NoTls;

use super::process::Places;
use super::proxy::Proxy;

/// The folder and the home in it: there before anything is started, and gone after everything is stopped.
pub(super) struct Ground {
    dir: tempfile::TempDir,
    home: Home,
}

impl Ground {
    pub(super) fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("agent-turbo-soak-").tempdir()?;
        crate::program::open_to_all(dir.path())?;
        // Packages are shared with the tests; everything else is this run's own.
        let home = Home::at(dir.path().join("home"))
            .with_wheels(agent_turbo_test_support::home().path().join("wheels"));
        Ok(Self { dir, home })
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger.jsonl")
    }

    /// Stops what was started and removes everything.
    pub(super) async fn clear(self) -> Result<()> {
        stack::down(&self.home).await.context("stop what the soak started")?;
        self.dir.close().context("remove the soak's folder")
    }
}

pub(super) struct World {
    home: Home,
    pub(super) proxy: Proxy,
    pub(super) places: Places,
}

impl World {
    pub(super) async fn start(ground: &Ground) -> Result<Self> {
        let home = ground.home.clone();
        let program = crate::program::build()?;
        let postgres = stack::ensure_postgres(&home, &PostgresOptions::default(), &stack::quiet).await?;
        let database = ConnectionUrl::new(postgres.url().expose());
        db::migrate(&db::Config::new(database.clone())).await?;
        let options = EmbedderOptions::new([program.into_os_string(), "embedder".into()]);
        let embedder = stack::ensure_embedder(&home, &options, &stack::quiet).await?;
        let proxy = Proxy::start(&embedder.url).await?;
        let places = Places { database, embedder: proxy.url().to_owned() };
        Ok(Self { home, proxy, places })
    }

    /// The server, started again if it is gone.
    pub(super) async fn restart_postgres(&self) -> Result<()> {
        let postgres = stack::ensure_postgres(&self.home, &PostgresOptions::default(), &stack::quiet).await?;
        ensure!(postgres.url().expose() == self.places.database.expose(), "PostgreSQL came back elsewhere");
        Ok(())
    }

    /// Stops the server's main process, and with it the birth of children, and then these; all of them.
    pub(super) async fn stopped_server(&self) -> Result<Vec<Pid>> {
        let postgres = stack::ensure_postgres(&self.home, &PostgresOptions::default(), &stack::quiet).await?;
        let main = sysinfo::Pid::from_u32(postgres.pid());
        signal(&[raw(main)?], Signal::STOP);
        let mut system = System::new()?;
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
        let children = system.processes().values().filter(|process| process.parent() == Some(main));
        let pids = std::iter::once(main).chain(children.map(sysinfo::Process::pid));
        let pids: Vec<Pid> = pids.map(raw).collect::<Result<_>>()?;
        signal(&pids, Signal::STOP);
        Ok(pids)
    }

    /// A connection that no fault is meant for.
    pub(super) async fn admin(&self) -> Result<tokio_postgres::Client> {
        let mut config: tokio_postgres::Config = self.places.database.expose().parse()?;
        config.application_name("soak-admin");
        let (client, connection) = config.connect(NoTls).await.context("connect to the soak's PostgreSQL")?;
        tokio::spawn(connection);
        Ok(client)
    }
}

fn raw(pid: sysinfo::Pid) -> Result<Pid> {
    i32::try_from(pid.as_u32()).ok().and_then(Pid::from_raw).context("the number of a process")
}

/// A process that is gone already is fine.
pub(super) fn signal(pids: &[Pid], signal: Signal) {
    for pid in pids {
        let _ = kill_process(*pid, signal);
    }
}

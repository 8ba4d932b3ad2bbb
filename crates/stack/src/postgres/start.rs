//! Starting the server, with whatever has to be done before.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::blocking::{Report, tell};
use crate::error::Error;
use crate::home::Home;
use crate::lock::Lock;
use crate::postgres::choose::{Server, choose, major};
use crate::postgres::settings::{Settings, memory};
use crate::postgres::socket::{self, socket_dir};
use crate::postgres::{Postgres, PostgresOptions, Postmaster, State, init, orphans, stop};
use crate::process::{Service, wait_until};
use crate::progress::Step;
use crate::user::User;
use crate::{files, logs, port};

/// A server may have to recover from a crash first; one that takes longer goes on doing so and is found by the next
/// call.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// How long children of a killed server may take to notice and end by themselves.
const ORPHANS_PATIENCE: Duration = Duration::from_secs(5);

/// How long they may take in all.
const ORPHANS_LIMIT: Duration = Duration::from_secs(20);

/// How often another port is tried when somebody takes the chosen one in the moment before the server does.
const PORT_ATTEMPTS: u32 = 5;

/// Brings the server up. Its lock is held for that long, so that only one process does this.
pub(crate) fn start(home: &Home, options: &PostgresOptions, report: &Report) -> Result<Postgres, Error> {
    home.create()?;
    let _lock = Lock::acquire(&home.lock("postgres"), options.patience, report)?;
    if let Some(postgres) = settled(home)? {
        return Ok(postgres);
    }
    let data_dir = home.data_dir();
    let made_by = made_by(&data_dir)?;
    let user = User::for_postgres(made_by.is_some().then_some(&*data_dir))?;
    let server = choose(home, made_by, report)?;
    prepare(home, user.as_ref())?;
    if made_by.is_none() {
        init::init(home, &server, user.as_ref(), options.durability, report)?;
    }
    Postmaster::disown(&data_dir)?;
    if files::read_small(&home.password())?.is_none() {
        init::reset_password(home, &server, user.as_ref())?;
    }
    tell(report, Step::StartingPostgres { version: server.version.clone() });
    Start { home, options, server: &server, user: user.as_ref() }.run()
}

/// What another process, perhaps one that did not live to see it, has started: it is up, or on its way, or going.
fn settled(home: &Home) -> Result<Option<Postgres>, Error> {
    let data_dir = home.data_dir();
    let found = || Postmaster::read(&data_dir).filter(|found| found.accepts() || found.is_alive(&data_dir));
    let clear =
        wait_until(READY_LIMIT, || found().is_none_or(|found| found.accepts() || found.lost_its_socket()));
    match found() {
        None => Ok(None),
        Some(found) if found.accepts() => match Postgres::running(home) {
            Some(postgres) => Ok(Some(postgres)),
            // Up, but the files that tell about it are gone or damaged: the restart writes them anew.
            None => stop::stop_found(home, &found).map(|_| None),
        },
        Some(found) if clear => stop::stop_found(home, &found).map(|_| None),
        Some(found) => Err(Error::NotStarted {
            service: "PostgreSQL".to_owned(),
            reason: format!(
                "process {} is neither ready nor gone after {} s",
                found.pid,
                READY_LIMIT.as_secs()
            ),
            log: newest_log(home),
        }),
    }
}

/// The major version that made the data directory; `None` when there is none.
fn made_by(data_dir: &Path) -> Result<Option<u32>, Error> {
    if !data_dir.exists() {
        return Ok(None);
    }
    let version = files::read_small(&data_dir.join("PG_VERSION"))?.unwrap_or_default();
    match major(&version) {
        Some(major) => Ok(Some(major)),
        None => Err(Error::IncompatibleData {
            path: data_dir.to_owned(),
            made_by: "no version that its PG_VERSION tells".to_owned(),
            available: "only a PostgreSQL data directory can be started".to_owned(),
        }),
    }
}

/// The folders that the server needs, reachable for its user.
fn prepare(home: &Home, user: Option<&User>) -> Result<(), Error> {
    files::create_dir(&home.postgres(), 0o755)?;
    files::create_dir(&home.postgres_logs(), 0o700)?;
    for file in [home.postgres_state(), home.postgres_conf(), home.password()] {
        files::remove_unfinished(&file);
    }
    if let Some(user) = user {
        user.check_reach(&home.postgres())?;
        user.give(&home.postgres_logs())?;
    }
    Ok(())
}

struct Start<'a> {
    home: &'a Home,
    options: &'a PostgresOptions,
    server: &'a Server,
    user: Option<&'a User>,
}

impl Start<'_> {
    fn run(&self) -> Result<Postgres, Error> {
        let socket_dir = socket_dir(self.home, self.user)?;
        socket::clear(&socket_dir);
        let mut preferred = self.options.port.or_else(|| State::read(self.home).map(|state| state.port));
        let began = Instant::now();
        let mut attempts = 0;
        loop {
            let chosen = port::choose(preferred)?;
            self.write_settings(chosen, &socket_dir)?;
            match self.attempt(chosen) {
                Err(Failed { log, .. }) if in_use_by_orphans(&log) && began.elapsed() < ORPHANS_LIMIT => {
                    if began.elapsed() > ORPHANS_PATIENCE {
                        orphans::end(&self.home.data_dir());
                    }
                }
                Err(_) if !port::is_free(chosen) && attempts < PORT_ATTEMPTS => {
                    attempts += 1;
                    preferred = None;
                }
                Err(Failed { error, .. }) => return Err(error),
                Ok(postgres) => return Ok(postgres),
            }
        }
    }

    fn write_settings(&self, port: u16, socket_dir: &Path) -> Result<(), Error> {
        let log_dir = self.home.postgres_logs();
        let durability = self.options.durability;
        let settings = Settings { port, socket_dir, log_dir: &log_dir, durability, memory: memory() };
        files::replace(&self.home.postgres_conf(), settings.render().as_bytes(), 0o644)?;
        let state = State { version: self.server.version.clone(), bin: self.server.bin.clone(), port };
        state.write(self.home)
    }

    /// Starts the server once and waits until it takes connections.
    fn attempt(&self, port: u16) -> Result<Postgres, Failed> {
        let data_dir = self.home.data_dir();
        // What it says before it opens its own log.
        let log = self.home.logs().join("postgres-start.log");
        logs::rotate(&log);
        let since = logs::size(&log);
        let mut command = init::program(self.server, "postgres", self.user);
        command.arg("-D").arg(&data_dir);
        let mut service = Service::start(command, &log)?;
        tracing::debug!(pid = service.pid(), port, "started PostgreSQL");
        let mut ended = None;
        let mut postmaster = None;
        wait_until(READY_LIMIT, || {
            ended = service.ended();
            postmaster = Postmaster::read(&data_dir).filter(|it| it.pid == service.pid() && it.accepts());
            ended.is_some() || postmaster.is_some()
        });
        let said = || {
            let early = logs::tail(&log, since);
            let later = newest_log(self.home);
            [early, later].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
        };
        let reason = match (ended, postmaster) {
            (Some(status), _) => format!("it ended with {status}"),
            (None, Some(_)) => {
                service.detach();
                return Postgres::running(self.home).ok_or_else(|| Failed {
                    log: String::new(),
                    error: not_started("it was ready and then gone", said()),
                });
            }
            (None, None) => {
                // Recovering, most likely: killing it would only make the next attempt begin again.
                service.detach();
                format!("it was not ready after {} s and goes on starting", READY_LIMIT.as_secs())
            }
        };
        let log = said();
        Err(Failed { error: not_started(&reason, log.clone()), log })
    }
}

/// A start that did not succeed, and what the server said about it.
struct Failed {
    log: String,
    error: Error,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { log: String::new(), error }
    }
}

fn not_started(reason: &str, log: String) -> Error {
    Error::NotStarted { service: "PostgreSQL".to_owned(), reason: reason.to_owned(), log }
}

/// The end of the log file that the server wrote to last.
fn newest_log(home: &Home) -> String {
    let entries = fs::read_dir(home.postgres_logs()).into_iter().flatten().flatten();
    let newest = entries.max_by_key(|entry| entry.metadata().and_then(|meta| meta.modified()).ok());
    newest.map(|entry| logs::tail(&entry.path(), 0)).unwrap_or_default()
}

/// Children of a killed server that have not ended yet keep its shared memory, and with it the data.
fn in_use_by_orphans(log: &str) -> bool {
    log.contains("pre-existing shared memory block")
}

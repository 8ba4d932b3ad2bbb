//! Homes to test in, and clients of what runs there.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;

use agent_turbo_stack::{Home, Postgres, PostgresOptions, Step, down, ensure_postgres, quiet};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Downloads are kept from one test run to the next.
pub(crate) fn wheels() -> PathBuf {
    std::env::temp_dir().join("agent-turbo-test-wheels")
}

/// A home of one's own. What runs in it is stopped, and it is removed, when the test is over.
pub(crate) struct TestHome {
    pub(crate) home: Home,
    pub(crate) dir: TempDir,
}

impl TestHome {
    pub(crate) fn new() -> Self {
        let dir = folder();
        let home = Home::at(dir.path().join("home")).with_wheels(wheels());
        Self { home, dir }
    }

    pub(crate) async fn ensure(&self) -> Postgres {
        ensure_postgres(&self.home, &PostgresOptions::default(), &quiet).await.unwrap()
    }

    /// A file below the home.
    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }
}

impl Drop for TestHome {
    fn drop(&mut self) {
        let home = self.home.clone();
        // A runtime cannot be entered from within the one that runs the test.
        let stopped = std::thread::spawn(move || runtime().block_on(down(&home))).join();
        if !matches!(stopped, Ok(Ok(_))) {
            eprintln!("{} could not be stopped: {stopped:?}", self.home.path().display());
        }
    }
}

/// A temporary folder that every user may enter, as the database's user has to.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().unwrap()
}

/// A client, connected.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) async fn show(client: &Client, setting: &str) -> String {
    client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap().get(0)
}

/// Notes the steps that it is told.
#[derive(Default)]
pub(crate) struct Steps(Mutex<Vec<Step>>);

impl Steps {
    pub(crate) fn note(&self, step: Step) {
        self.0.lock().unwrap().push(step);
    }

    pub(crate) fn all(&self) -> Vec<Step> {
        self.0.lock().unwrap().clone()
    }
}

/// Kills a process and waits until it is gone.
pub(crate) fn kill(pid: u32) {
    rustix::process::kill_process(raw(pid), Signal::KILL).unwrap();
    while is_alive(pid) {
        std::thread::yield_now();
    }
}

/// Whether the process exists and has not ended (one that nobody has collected yet has, unless it has threads left).
pub(crate) fn is_alive(pid: u32) -> bool {
    let listing = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8(listing.stdout).unwrap();
    let state = state.trim();
    !state.is_empty() && (!state.starts_with('Z') || state.contains('l'))
}

pub(crate) fn raw(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

/// Somebody else's process, which must come to no harm. It runs as the owner of `like`.
pub(crate) struct Bystander(Child);

impl Bystander {
    pub(crate) fn like_owner_of(like: &Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let mut command = Command::new("sleep");
        command.arg("600").current_dir("/");
        if is_root() {
            let meta = std::fs::metadata(like).unwrap();
            command.uid(meta.uid()).gid(meta.gid());
        }
        Self(command.spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn is_unharmed(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every file below a folder, for looking for what must not be there.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_below(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

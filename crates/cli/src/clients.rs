//! Which session of ours an agent program's own session is.
//!
//! Each has a small file under the home: `clients/<sha256 of the client's id>.json`. It also names the client's process, so
//! that other programs which the client started, such as our MCP server, find the session of the client by going up from
//! their own process. Process ids are used again by the system; the time at which a process started tells them apart.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use agent_turbo_orchestrator::SessionId;
use agent_turbo_stack::Home;
use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How long a client may come back to its session.
const KEPT_FOR: Duration = Duration::from_hours(24 * 30);
/// Clients that are remembered at the most.
const MAX_CLIENTS: usize = 1000;
/// Processes that are gone up at the most.
const MAX_ANCESTORS: usize = 32;
/// What stands between a client and the programs that it has run for it.
const SHELLS: [&str; 11] =
    ["sh", "bash", "dash", "zsh", "fish", "ksh", "ash", "busybox", "env", "timeout", "nice"];

/// The clients that are remembered.
#[derive(Debug, Clone)]
pub(crate) struct Clients(PathBuf);

/// A client's session, and ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KnownClient {
    /// What the client calls its session.
    pub(crate) client_id: String,
    /// What we call it.
    pub(crate) session_id: SessionId,
    /// The client's process, as long as its session runs and it can be told.
    pub(crate) process: Option<Process>,
    /// When this was written.
    pub(crate) noted_at: Timestamp,
}

/// A process, never mistaken for a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pid: u32,
    /// In clock ticks after the system's start.
    started: u64,
}

/// The session of the client that started this process, directly or through others: the nearest one that a session's
/// start was noted for. A client's servers may be started before that, so who gets none asks again later.
///
/// Only Linux tells the ancestors of a process; elsewhere there is none.
pub fn session_of_parent(home: &Home) -> Option<SessionId> {
    let ancestors = ancestors();
    let known = Clients::of(home).all();
    ancestors.iter().find_map(|ancestor| {
        let of_it = known.iter().filter(|client| client.process.as_ref() == Some(ancestor));
        of_it.max_by_key(|client| client.noted_at).map(|client| client.session_id.clone())
    })
}

/// The process on whose behalf this one runs: the first above it that is no shell.
pub(crate) fn client_process() -> Option<Process> {
    let (mut pid, mut turns) = (std::os::unix::process::parent_id(), 0);
    while pid > 1 && turns < MAX_ANCESTORS {
        let seen = look_at(pid)?;
        if !SHELLS.contains(&seen.name.as_str()) {
            return Some(seen.process);
        }
        (pid, turns) = (seen.parent, turns + 1);
    }
    None
}

impl Clients {
    pub(crate) fn of(home: &Home) -> Self {
        Self(home.path().join("clients"))
    }

    /// What is known of a client's session. What cannot be read is not known.
    pub(crate) fn get(&self, client_id: &str) -> Option<KnownClient> {
        read(&self.file(client_id)).filter(|client| client.client_id == client_id)
    }

    /// Remembers it, in one step.
    pub(crate) fn put(&self, client: &KnownClient) -> Result<()> {
        let write = || -> Result<()> {
            self.create()?;
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.0)?;
            serde_json::to_writer(&mut file, client)?;
            file.persist(self.file(&client.client_id))?;
            Ok(())
        };
        write().with_context(|| format!("note the client's session in {}", self.0.display()))
    }

    /// Waits until nobody else starts a session for a client. Blocks, so not for async code; dropping it lets others in.
    pub(crate) fn lock(&self) -> Result<File> {
        let lock = || -> io::Result<File> {
            self.create()?;
            let file = File::options().create(true).append(true).open(self.0.join("lock"))?;
            file.lock()?;
            Ok(file)
        };
        lock().with_context(|| format!("lock {}", self.0.display()))
    }

    /// Forgets who was not seen for a month, and beyond a thousand those that were seen longest ago.
    pub(crate) fn tidy(&self) {
        let now = SystemTime::now();
        let mut seen: Vec<(SystemTime, PathBuf)> =
            self.files().filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path))).collect();
        seen.sort_unstable();
        let too_many = seen.len().saturating_sub(MAX_CLIENTS);
        for (index, (time, path)) in seen.iter().enumerate() {
            if index < too_many || now.duration_since(*time).is_ok_and(|age| age > KEPT_FOR) {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn all(&self) -> Vec<KnownClient> {
        self.files().take(2 * MAX_CLIENTS).filter_map(|path| read(&path)).collect()
    }

    /// Including what a process that was killed left unfinished.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.file_name().is_some_and(|name| name != "lock"))
    }

    fn file(&self, client_id: &str) -> PathBuf {
        let digest = Sha256::digest(client_id.as_bytes());
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.join(name + ".json")
    }

    fn create(&self) -> io::Result<()> {
        if let Some(home) = self.0.parent() {
            create_home(home)?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }
}

/// Makes the home as the embedded services do: root's can be entered by the user that runs PostgreSQL.
pub(crate) fn create_home(home: &Path) -> io::Result<()> {
    let mode = if rustix::process::geteuid().is_root() { 0o755 } else { 0o700 };
    DirBuilder::new().recursive(true).mode(mode).create(home)
}

fn read(path: &Path) -> Option<KnownClient> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// A process, as the system shows it.
struct Seen {
    process: Process,
    name: String,
    parent: u32,
}

/// The processes above this one, nearest first.
fn ancestors() -> Vec<Process> {
    let mut pid = std::os::unix::process::parent_id();
    let mut found = Vec::new();
    while pid > 1 && found.len() < MAX_ANCESTORS {
        let Some(seen) = look_at(pid) else { break };
        found.push(seen.process);
        pid = seen.parent;
    }
    found
}

/// From proc(5): `pid (name) state ppid …`, where the name may hold anything and `starttime` is the 22nd field.
fn look_at(pid: u32) -> Option<Seen> {
    let stat = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?).into_owned();
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let mut fields = after.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Seen { process: Process { pid, started }, name, parent })
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn client(client_id: &str, session: &str, process: Option<Process>) -> KnownClient {
        let noted_at = Timestamp::now();
        KnownClient {
            client_id: client_id.to_owned(),
            session_id: session.parse().unwrap(),
            process,
            noted_at,
        }
    }

    #[test]
    fn the_session_of_the_nearest_client_above_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let clients = Clients::of(&home);
        assert_eq!(session_of_parent(&home), None);
        let above = ancestors();
        let far = *above.last().unwrap();
        clients.put(&client("a", "far", Some(far))).unwrap();
        clients.put(&client("b", "gone", Some(Process { started: far.started + 1, ..far }))).unwrap();
        clients.put(&client("c", "ended", None)).unwrap();
        assert_eq!(session_of_parent(&home).unwrap().as_str(), "far");
        // The same process goes on with another session.
        clients.put(&client("d", "later", Some(far))).unwrap();
        assert_eq!(session_of_parent(&home).unwrap().as_str(), "later");
        if above.len() > 1 {
            clients.put(&client("e", "near", Some(above[0]))).unwrap();
            assert_eq!(session_of_parent(&home).unwrap().as_str(), "near");
        }
    }

    #[test]
    fn clients_that_were_not_seen_for_long_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let clients = Clients::of(&Home::at(dir.path()));
        for number in 0..MAX_CLIENTS + 5 {
            clients.put(&client(&number.to_string(), "s", None)).unwrap();
        }
        let old = SystemTime::now() - KEPT_FOR - Duration::from_mins(1);
        File::open(clients.file("7")).unwrap().set_modified(old).unwrap();
        fs::write(clients.0.join("garbage.json"), "{").unwrap();
        clients.tidy();
        assert_eq!(clients.get("7"), None);
        assert!(clients.files().count() <= MAX_CLIENTS);
        let last = MAX_CLIENTS.to_string();
        assert_eq!(clients.get(&last).unwrap().client_id, last);
    }

    #[test]
    fn one_waits_for_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let clients = Clients::of(&Home::at(dir.path()));
        let held = clients.lock().unwrap();
        assert!(File::open(clients.0.join("lock")).unwrap().try_lock().is_err());
        drop(held);
        clients.lock().unwrap();
    }
}

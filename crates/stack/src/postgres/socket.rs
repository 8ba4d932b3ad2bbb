//! The folder of the server's Unix socket.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files;
use crate::home::Home;
use crate::user::User;

/// The longest path of a socket that every system takes (macOS: 104 bytes with the final NUL, Linux: 108).
const LONGEST: usize = 103;

/// The name that PostgreSQL gives its socket, with the longest port.
const SOCKET: &str = "/.s.PGSQL.65535";

/// Makes the folder, which only the server's user can enter.
pub(crate) fn socket_dir(home: &Home, user: Option<&User>) -> Result<PathBuf, Error> {
    let usual = home.postgres().join("run");
    if usual.as_os_str().as_bytes().len() + SOCKET.len() <= LONGEST {
        files::create_dir(&usual, 0o700)?;
        give(&usual, user)?;
        return Ok(usual);
    }
    let short = short_dir(home.path());
    if fs::symlink_metadata(&short).is_err() {
        files::create_dir(&short, 0o700)?;
        give(&short, user)?;
    }
    // Anybody may have made something of that name in /tmp.
    let meta = fs::symlink_metadata(&short).map_err(Error::io("inspect", &short))?;
    let owner = user.map_or_else(|| rustix::process::geteuid().as_raw(), User::uid);
    let refuse = |reason| Err(Error::UnsafeDirectory { path: short.clone(), reason });
    if !meta.is_dir() {
        return refuse("it is not a folder");
    }
    if meta.uid() != owner {
        return refuse("it belongs to another user");
    }
    if meta.mode() & 0o077 != 0 {
        return refuse("other users may enter it");
    }
    Ok(short)
}

/// One folder per user and home. (The hash is the same in every build of this program, which is all that it has to
/// be: a running server tells where its socket is.)
fn short_dir(home: &Path) -> PathBuf {
    let mut hash = DefaultHasher::new();
    home.hash(&mut hash);
    let uid = rustix::process::geteuid().as_raw();
    PathBuf::from(format!("/tmp/agent-turbo-{uid}-{:016x}", hash.finish()))
}

/// Removes the socket of a dead server, and its lock file, whose number may by now be anybody's: PostgreSQL would not
/// start while a process has it. Only for the holder of the lock, when no server runs.
pub(crate) fn clear(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().as_bytes().starts_with(b".s.PGSQL.") {
            files::remove(&entry.path());
        }
    }
}

fn give(path: &Path, user: Option<&User>) -> Result<(), Error> {
    user.map_or(Ok(()), |user| user.give(path))
}

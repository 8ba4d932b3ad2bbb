//! Files and folders that are either whole or absent.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Marks what is still being made. Whoever holds the lock of the place may remove leftovers.
const UNFINISHED: &str = ".unfinished-";

/// Makes a folder (and its parents) with exactly this mode, whatever the umask; an existing one is left alone.
pub(crate) fn create_dir(path: &Path, mode: u32) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_dir(parent, 0o755)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => set_mode(path, mode),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(Error::io("create", path)(error)),
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Error::io("set the permissions of", path))
}

/// Replaces a file in one step, so that readers see the old or the new contents and a crash leaves one of them.
pub(crate) fn replace(path: &Path, contents: &[u8], mode: u32) -> Result<(), Error> {
    let new = unfinished(path);
    let written =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&new).and_then(|mut file| {
            file.set_permissions(Permissions::from_mode(mode))?;
            file.write_all(contents)?;
            file.sync_all()
        });
    let done = written.and_then(|()| fs::rename(&new, path));
    if done.is_err() {
        let _ = fs::remove_file(&new);
    }
    done.map_err(Error::io("write", path))
}

/// Reads a small text file; `None` when there is none. What is longer than any of ours ever is gets cut.
pub(crate) fn read_small(path: &Path) -> Result<Option<String>, Error> {
    const LIMIT: u64 = 64 * 1024;
    let read = File::open(path).and_then(|file| {
        let mut text = String::new();
        file.take(LIMIT).read_to_string(&mut text).map(|_| text)
    });
    match read {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// A name beside `target` for what will be renamed to it.
pub(crate) fn unfinished(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or(OsStr::new("")).to_owned();
    name.push(format!("{UNFINISHED}{}-{:08x}", std::process::id(), rand::random::<u32>()));
    target.with_file_name(name)
}

/// Removes what an interrupted attempt to make `target` left behind. Only for the holder of its lock.
pub(crate) fn remove_unfinished(target: &Path) {
    let Some(prefix) = target.file_name().and_then(OsStr::to_str).map(|name| format!("{name}{UNFINISHED}"))
    else {
        return;
    };
    let Some(Ok(entries)) = target.parent().map(fs::read_dir) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
            tracing::debug!(path = %entry.path().display(), "removing what an interrupted run left");
            remove(&entry.path());
        }
    }
}

/// Removes a file or a folder, as far as possible: for cleaning up, where a failure changes nothing.
pub(crate) fn remove(path: &Path) {
    if path.is_dir() && !path.is_symlink() {
        let _ = fs::remove_dir_all(path);
    } else {
        let _ = fs::remove_file(path);
    }
}

/// Makes a finished folder visible under its name, durably.
pub(crate) fn publish(unfinished: &Path, target: &Path) -> Result<(), Error> {
    fs::rename(unfinished, target).map_err(Error::io("create", target))?;
    target.parent().map_or(Ok(()), sync)
}

/// Waits until a file's contents, or a folder's names, are on the disk.
pub(crate) fn sync(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|file| file.sync_all()).map_err(Error::io("sync", path))
}

//! Files that are replaced as a whole, and only as long as they are what was read.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Far more than any configuration; the largest that was seen had a few megabytes.
const MAX_BYTES: u64 = 64 << 20;
/// Links that are followed at the most, as the kernel does.
const MAX_LINKS: usize = 40;

/// What a file must be for it to be replaced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected<'a> {
    /// Whatever it is.
    Anything,
    /// These bytes, or no file.
    Is(Option<&'a [u8]>),
}

/// The file that a path means in the end: dotfiles are often links, and it is their targets that are edited.
pub(crate) fn target(path: &Path) -> Result<PathBuf> {
    let mut path = std::path::absolute(path).map_err(Error::io("find", path))?;
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(link) => path = path.parent().unwrap_or(Path::new("/")).join(link),
            Err(_) => return Ok(path),
        }
    }
    Err(Error::io("follow the links of", &path)(io::Error::from(io::ErrorKind::InvalidInput)))
}

/// What a file holds; `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let wrong = |why: String| Error::NotText { path: path.to_owned(), why };
    let opened = match File::open(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    if !opened.metadata().map_err(Error::io("read", path))?.is_file() {
        return Err(wrong("it is not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    opened.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(wrong(format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(Some(bytes))
}

/// Puts a file in the place of another one, with its owner and permissions, as long as that is what `expected` says.
pub(crate) fn replace(path: &Path, contents: &[u8], expected: Expected<'_>, mode: Option<u32>) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::Builder::new()
        .prefix(".agent-turbo-")
        .tempfile_in(folder)
        .map_err(Error::io("write into", folder))?;
    let old = fs::metadata(path).ok();
    let written = settle(&new, old.as_ref(), mode)
        .and_then(|()| new.write_all(contents))
        .and_then(|()| new.as_file().sync_all());
    written.map_err(Error::io("write", path))?;
    // As late as can be: what is written in between would be lost.
    if let Expected::Is(expected) = expected {
        unchanged(path, expected)?;
    }
    new.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
    sync(folder)
}

/// Takes a file away, as long as it is what `expected` says.
pub(crate) fn remove(path: &Path, expected: &[u8]) -> Result<()> {
    unchanged(path, Some(expected))?;
    fs::remove_file(path).map_err(Error::io("remove", path))?;
    sync(path.parent().unwrap_or(Path::new("/")))
}

/// Makes the folder of a file; those that were made, outermost first.
pub(crate) fn create_folder(path: &Path) -> Result<Vec<PathBuf>> {
    let missing = |folder: &&Path| fs::symlink_metadata(folder).is_err();
    let mut made: Vec<_> = path.ancestors().skip(1).take_while(missing).map(Path::to_owned).collect();
    made.reverse();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
    }
    Ok(made)
}

fn unchanged(path: &Path, expected: Option<&[u8]>) -> Result<()> {
    if read(path)?.as_deref() == expected { Ok(()) } else { Err(Error::Changed { path: path.to_owned() }) }
}

fn settle(new: &tempfile::NamedTempFile, old: Option<&Metadata>, mode: Option<u32>) -> io::Result<()> {
    if let Some(old) = old {
        let now = new.as_file().metadata()?;
        if (old.uid(), old.gid()) != (now.uid(), now.gid()) {
            // Root edits the files of others; for anybody else the file becomes his own, or he could not write it.
            let (uid, gid) = (rustix::fs::Uid::from_raw(old.uid()), rustix::fs::Gid::from_raw(old.gid()));
            let _ = rustix::fs::fchown(new.as_file(), Some(uid), Some(gid));
        }
    }
    let mode = mode.filter(|_| old.is_none()).or_else(|| old.map(|old| old.mode() & 0o7777));
    mode.map_or(Ok(()), |mode| new.as_file().set_permissions(Permissions::from_mode(mode)))
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("write into", folder))
}

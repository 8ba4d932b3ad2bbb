//! Unpacking a wheel (a zip file) into a folder that is either whole or absent.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::Error;
use crate::{files, wheel};

/// What becomes of one file of the archive.
pub(crate) struct Entry {
    /// Where it goes, relative to the target.
    pub(crate) to: PathBuf,
    pub(crate) executable: bool,
    /// The sha256 that its contents must have.
    pub(crate) sha256: Option<&'static str>,
}

/// Unpacks the files of `archive` for which `select` (given the name in the archive) wants it into the new folder
/// `target`. The caller holds the lock of `target`.
pub(crate) fn unpack(
    archive: &Path,
    target: &Path,
    select: impl Fn(&str) -> Option<Entry>,
) -> Result<(), Error> {
    if let Some(parent) = target.parent() {
        files::create_dir(parent, 0o755)?;
    }
    files::remove_unfinished(target);
    let folder = files::unfinished(target);
    let result = unpack_into(archive, &folder, select).and_then(|()| files::publish(&folder, target));
    if result.is_err() {
        files::remove(&folder);
    }
    result
}

fn unpack_into(archive: &Path, folder: &Path, select: impl Fn(&str) -> Option<Entry>) -> Result<(), Error> {
    let broken = |source: ZipError| Error::Unpack { path: archive.to_owned(), source };
    files::create_dir(folder, 0o755)?;
    let file = File::open(archive).map_err(Error::io("read", archive))?;
    let mut zip = ZipArchive::new(file).map_err(broken)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut written = Vec::new();
    for index in 0..zip.len() {
        let mut packed = zip.by_index(index).map_err(broken)?;
        if !packed.is_file() {
            continue;
        }
        let Some(entry) = packed.name().ok().and_then(|name| select(&name)) else {
            continue;
        };
        let path = folder.join(&entry.to);
        if let Some(parent) = path.parent() {
            files::create_dir(parent, 0o755)?;
        }
        let hash = write(&mut packed, &path, if entry.executable { 0o755 } else { 0o644 }, &mut buffer)?;
        if let Some(expected) = entry.sha256 {
            wheel::verify(hash, expected, &path)?;
        }
        written.push(path);
    }
    // The folder's new name must not reach the disk before its contents. All at the end, because the first sync then
    // writes most of what the others would each have waited for.
    written.iter().try_for_each(|path| files::sync(path))
}

fn write(from: &mut impl Read, path: &Path, mode: u32, buffer: &mut [u8]) -> Result<Sha256, Error> {
    let mut hash = Sha256::new();
    let mut copy = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        loop {
            let read = from.read(buffer)?;
            if read == 0 {
                return Ok(());
            }
            hash.update(&buffer[..read]);
            file.write_all(&buffer[..read])?;
        }
    };
    copy().map_err(Error::io("write", path))?;
    files::set_mode(path, mode)?;
    Ok(hash)
}

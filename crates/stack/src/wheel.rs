//! A pinned package of the Python package index: kept, checked, downloaded when it is missing.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::blocking::{Report, tell};
use crate::error::Error;
use crate::hex::hex;
use crate::home::Home;
use crate::lock::{Lock, PATIENCE};
use crate::progress::Step;
use crate::{files, pip};

/// One file of one version of one package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wheel {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) file: &'static str,
    pub(crate) sha256: &'static str,
}

impl Wheel {
    /// The checked file. A kept file that is damaged is removed and downloaded again.
    pub(crate) fn fetch(&self, home: &Home, report: &Report) -> Result<PathBuf, Error> {
        let dir = home.wheels();
        let kept = dir.join(self.file);
        if kept.is_file() {
            match self.check(&kept) {
                Err(error @ Error::Checksum { .. }) => tracing::warn!(%error, "downloading it again"),
                result => return result.map(|()| kept),
            }
        }
        // A folder of wheels may be shared by several homes, so the download has a lock of its own.
        files::create_dir(dir, 0o755)?;
        let _lock = Lock::acquire(&dir.join(format!("{}.lock", self.package)), PATIENCE, report)?;
        if kept.is_file() {
            return self.check(&kept).map(|()| kept);
        }
        self.download(&kept, report)?;
        Ok(kept)
    }

    fn download(&self, kept: &Path, report: &Report) -> Result<(), Error> {
        let Self { package, version, file, .. } = *self;
        let into = kept.parent().unwrap_or(kept).to_owned();
        tell(report, Step::Downloading { package, version, into });
        files::remove_unfinished(kept);
        let folder = files::unfinished(kept);
        files::create_dir(&folder, 0o755)?;
        let result = pip::download(package, version, &folder).and_then(|()| {
            let fresh = folder.join(file);
            if !fresh.is_file() {
                let reason = format!("it chose another file than {file}: {}", listing(&folder));
                return Err(Error::Download { package, version, reason });
            }
            self.check(&fresh)?;
            fs::rename(&fresh, kept).map_err(Error::io("create", kept))
        });
        files::remove(&folder);
        result
    }

    fn check(&self, path: &Path) -> Result<(), Error> {
        let mut hash = Sha256::new();
        File::open(path)
            .and_then(|mut file| io::copy(&mut file, &mut HashWriter(&mut hash)))
            .map_err(Error::io("read", path))?;
        verify(hash, self.sha256, path)
    }
}

/// Compares a finished hash with the pinned one; a file that differs is removed.
pub(crate) fn verify(hash: Sha256, expected: &'static str, path: &Path) -> Result<(), Error> {
    let actual = hex(&hash.finalize());
    if actual == expected {
        return Ok(());
    }
    files::remove(path);
    Err(Error::Checksum { path: path.to_owned(), expected, actual })
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn listing(folder: &Path) -> String {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let wheels: Vec<_> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "whl"))
        .collect();
    wheels.join(", ")
}

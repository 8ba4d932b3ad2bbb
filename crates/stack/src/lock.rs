//! Who may start something: an advisory file lock, which the kernel releases when its holder ends in any way.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::blocking::{Report, tell};
use crate::error::Error;
use crate::files;
use crate::progress::Step;

/// How long to wait for another process by default: it may be downloading over a slow line.
pub(crate) const PATIENCE: Duration = Duration::from_mins(15);

/// `flock` cannot wait with a limit, so it is tried again at this interval.
const INTERVAL: Duration = Duration::from_millis(10);

/// Held until dropped. The file is close-on-exec, so that no service inherits it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Gets the lock, waiting at most `patience`.
    pub(crate) fn acquire(path: &Path, patience: Duration, report: &Report) -> Result<Self, Error> {
        if let Some(parent) = path.parent() {
            files::create_dir(parent, 0o755)?;
        }
        let started = Instant::now();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(Error::io("open", path))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
            }
            let waited = started.elapsed();
            if waited >= patience {
                return Err(Error::LockTimeout {
                    path: path.to_owned(),
                    holder: holder(&mut file),
                    waited: patience,
                });
            }
            if !told && waited >= Duration::from_millis(500) {
                tell(report, Step::Waiting { holder: holder(&mut file) });
                told = true;
            }
            thread::sleep(INTERVAL);
        }
        // Only for whoever waits; a full disk must not keep us from, say, stopping the database.
        if let Err(error) = write_holder(&mut file) {
            tracing::debug!(%error, path = %path.display(), "the lock's holder could not be noted");
        }
        Ok(Self { _file: file })
    }
}

fn write_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

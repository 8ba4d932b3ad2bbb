use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tempfile::TempDir;

use super::Source;
use crate::report::Reading;
use crate::{Error, Result};

/// What changes with every change of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    header: Vec<u8>,
}

const MAGIC: &[u8] = b"SQLite format 3\0";
const HEADER: usize = 100;
/// How long a program that writes in rollback mode is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

impl Source {
    /// Opens a file in the way that changes nothing, and begins the transaction that everything is read in.
    pub(crate) fn open(path: &Path, max_value_bytes: usize) -> Result<Self> {
        let bad = |why: String| Error::BadSource { file: path.to_owned(), why };
        let file = fs::canonicalize(path).map_err(|error| bad(error.to_string()))?;
        if !file.is_file() {
            return Err(bad("it is not a file".to_owned()));
        }
        let stamp = Stamp::of(&file)?;
        if stamp.bytes == 0 {
            return Err(bad("it is empty".to_owned()));
        }
        if !stamp.header.starts_with(MAGIC) {
            return Err(bad("it is not an SQLite database, or it is encrypted".to_owned()));
        }
        // The format's own words for "in WAL mode".
        let in_wal_mode = stamp.header.get(18..20) == Some(&[2, 2]);
        let (has_wal, has_shm) = (beside(&file, "-wal").exists(), beside(&file, "-shm").exists());
        match (in_wal_mode, has_wal, has_shm) {
            // Nobody has it open. Opened as usual, SQLite would make files beside it.
            (true, false, _) => {
                let connection = connect(&file, &uri(&file), OpenFlags::SQLITE_OPEN_URI)?;
                Self::begin(connection, file, Reading::Immutable, max_value_bytes, Some(stamp), None)
            }
            // Left behind by a crash, or copied without the rest: SQLite would have to make the index beside it.
            (true, true, false) => Self::of_copy(file, max_value_bytes),
            _ => {
                let opened = connect(&file, &file, OpenFlags::empty()).and_then(|connection| {
                    Self::begin(connection, file.clone(), Reading::Shared, max_value_bytes, None, None)
                });
                match opened {
                    // A journal that has to be rolled back, or an index that cannot be written.
                    Err(Error::Sqlite { source, .. }) if needs_writing(&source) => {
                        Self::of_copy(file, max_value_bytes)
                    }
                    opened => opened,
                }
            }
        }
    }

    /// Copies the file and what belongs to it, for SQLite to recover there.
    fn of_copy(file: PathBuf, max_value_bytes: usize) -> Result<Self> {
        let failed = |source| Error::File { what: "copy", file: file.clone(), source };
        let dir = TempDir::with_prefix("agent-turbo-import-").map_err(failed)?;
        let copy = dir.path().join("source.db");
        fs::copy(&file, &copy).map_err(failed)?;
        for end in ["-wal", "-journal"] {
            let from = beside(&file, end);
            if from.exists() {
                fs::copy(from, beside(&copy, end)).map_err(failed)?;
            }
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&copy, flags)
            .map_err(|source| Error::Sqlite { file: file.clone(), source })?;
        Self::begin(connection, file, Reading::Copy, max_value_bytes, None, Some(dir))
    }

    fn begin(
        connection: Connection,
        file: PathBuf,
        reading: Reading,
        max_value_bytes: usize,
        stamp: Option<Stamp>,
        copy: Option<TempDir>,
    ) -> Result<Self> {
        let mut source =
            Self { connection, file, reading, tables: Vec::new(), max_value_bytes, stamp, _copy: copy };
        let begun = source.connection.busy_timeout(PATIENCE).and_then(|()| {
            // Views and triggers of a file are somebody else's program.
            source.connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA query_only = ON; BEGIN")
        });
        // The first read is what the transaction begins with.
        begun
            .and_then(|()| source.connection.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(())))
            .map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => Error::BadSource {
                    file: source.file.clone(),
                    why: "it is not an SQLite database, or it is encrypted".to_owned(),
                },
                _ => Error::Sqlite { file: source.file.clone(), source: error },
            })?;
        source.tables = source.inspect()?;
        Ok(source)
    }
}

impl Stamp {
    pub(super) fn of(file: &Path) -> Result<Self> {
        let read = || {
            let opened = File::open(file)?;
            let metadata = opened.metadata()?;
            let mut header = Vec::new();
            opened.take(HEADER as u64).read_to_end(&mut header)?;
            Ok(Self { bytes: metadata.len(), modified: metadata.modified().ok(), header })
        };
        read().map_err(|source| Error::File { what: "read", file: file.to_owned(), source })
    }
}

fn connect(file: &Path, name: &Path, more: OpenFlags) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    Connection::open_with_flags(name, flags).map_err(|source| Error::Sqlite { file: file.to_owned(), source })
}

fn needs_writing(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The file's name as a URI that lets SQLite take no lock.
fn uri(file: &Path) -> PathBuf {
    let mut uri = "file:".to_owned();
    for byte in file.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte));
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri.into()
}

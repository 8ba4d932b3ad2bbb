use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::file::Expected;
use crate::splice::Splice;
use crate::{Error, Result, file};

/// A folder in which is noted what was inserted into which file.
///
/// Without its notes our entries are found all the same and taken out; then what was made around them (an empty
/// `mcpServers`, say) stays, as nobody knows any more whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records(PathBuf);

/// What was inserted into a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The file.
    pub(crate) path: PathBuf,
    /// Of what the file was afterwards.
    pub(crate) sha256: String,
    /// What was changed, in this order.
    pub(crate) splices: Vec<Splice>,
    /// Containers that were made.
    pub(crate) made: Vec<Vec<String>>,
    /// Whether there was no such file.
    pub(crate) is_new_file: bool,
    /// Folders that were made, outermost first.
    pub(crate) new_folders: Vec<PathBuf>,
}

impl Records {
    /// In a folder that needn't exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    pub(crate) fn load(&self, path: &Path) -> Result<Option<Record>> {
        let file = self.file(path);
        match fs::read(&file) {
            // A note that cannot be read is no note.
            Ok(bytes) => {
                Ok(serde_json::from_slice::<Record>(&bytes).ok().filter(|record| record.path == path))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &file)(error)),
        }
    }

    pub(crate) fn save(&self, record: &Record) -> Result<()> {
        fs::create_dir_all(&self.0).map_err(Error::io("make", &self.0))?;
        let file = self.file(&record.path);
        let text =
            serde_json::to_string_pretty(record).map_err(|error| Error::io("write", &file)(error.into()))?;
        file::replace(&file, text.as_bytes(), Expected::Anything, Some(0o600))
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<()> {
        let file = self.file(path);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &file)(error)),
            _ => Ok(()),
        }
    }

    fn file(&self, path: &Path) -> PathBuf {
        self.0.join(format!("{}.json", sha256(path.as_os_str().as_encoded_bytes())))
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

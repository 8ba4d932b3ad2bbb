use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{Error, Result};

/// The file of rejected rows, made with the first of them.
#[derive(Debug)]
pub(super) struct Rejects {
    path: Option<PathBuf>,
    file: Option<BufWriter<File>>,
}

impl Rejects {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, file: None }
    }

    pub(super) fn write(&mut self, table: &str, row: &Value, reason: &str, excerpt: &str) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let failed = |source| Error::File { what: "write", file: path.clone(), source };
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                // Excerpts are nobody else's business.
                let opened =
                    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
                self.file.insert(BufWriter::new(opened.map_err(failed)?))
            }
        };
        let line = json!({ "table": table, "row": row, "reason": reason, "excerpt": excerpt });
        writeln!(file, "{line}").map_err(failed)
    }

    /// What was written so far can be read; where it is, if there is anything.
    pub(super) fn flush(&mut self) -> Result<Option<PathBuf>> {
        let (Some(path), Some(file)) = (&self.path, &mut self.file) else { return Ok(None) };
        file.flush().map_err(|source| Error::File { what: "write", file: path.clone(), source })?;
        Ok(Some(path.clone()))
    }
}

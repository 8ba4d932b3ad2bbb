//! The SQLite side: read in one transaction, never written to.

mod open;
mod read;
mod tables;

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

pub use tables::{Column, TableKind};

use crate::report::Reading;
use crate::shape::TableInfo;
use crate::{Error, Result};
pub(crate) use read::RawRow;

/// An open source with its tables, all as of one moment.
#[derive(Debug)]
pub(crate) struct Source {
    connection: Connection,
    /// The file's whole path.
    pub(crate) file: PathBuf,
    pub(crate) reading: Reading,
    pub(crate) tables: Vec<TableInfo>,
    /// Values of more bytes are not read.
    max_value_bytes: usize,
    /// What an unlocked file must still look like at the end.
    stamp: Option<open::Stamp>,
    /// Last, for the connection is to a file in it.
    _copy: Option<TempDir>,
}

impl Source {
    fn failed(&self) -> impl Fn(rusqlite::Error) -> Error + '_ {
        |source| Error::Sqlite { file: self.file.clone(), source }
    }

    pub(crate) fn table(&self, name: &str) -> Option<&TableInfo> {
        // SQLite's names are the same whatever their case.
        self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name))
    }

    /// Whether what was read from a file that nobody had open was one state of it.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        match &self.stamp {
            Some(stamp) if open::Stamp::of(&self.file)? != *stamp => {
                Err(Error::SourceChanged(self.file.clone()))
            }
            _ => Ok(()),
        }
    }
}

/// A name in SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

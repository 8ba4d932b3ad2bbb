//! Brings the SQLite stores that came before into PostgreSQL.
//!
//! [`import`] reads a file without ever writing to it, embeds and stores what the target does not have, and holds both
//! sides against each other at the end; [`verify`] does that at any later time. Knows SQLite's side; what happens to an
//! entry is `knowledge`'s business, and every statement on PostgreSQL stands there.
//!
//! Nothing but the target says how far an import came: an entry carries the file, the table and the row that it is from,
//! so a run that was killed is gone on with by running it again.

mod error;
mod import;
mod progress;
mod report;
mod row;
mod shape;
mod source;
mod value;
mod verify;

pub use error::{Error, Result};
pub use import::import;
pub use progress::Progress;
pub use report::{Class, Counts, Problem, Reading, Report, Sample, Skipped, TableReport, Verification};
pub use row::RowKey;
pub use shape::{Mapping, Proposal, Role, Shape, TableInfo, parse_mapping, recognise};
pub use source::{Column, TableKind};
pub use value::{SqlValue, Tags, parse_json, parse_tags, parse_timestamp};
pub use verify::verify;

use std::path::PathBuf;

use agent_turbo_knowledge::Project;
use jiff::tz::TimeZone;

/// What to import, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The SQLite file.
    pub file: PathBuf,
    /// Where the entries belong.
    pub project: Project,
    /// Only this table; `None` for all that are recognised.
    pub table: Option<String>,
    /// What its columns mean; `None` for what is recognised.
    pub mapping: Option<Mapping>,
    /// What the source is called in the entries' provenance; `None` for the file's whole path. A file that was moved is
    /// recognised under its old name.
    pub source_name: Option<String>,
    /// Of times that name none.
    pub time_zone: TimeZone,
    /// Write nothing, and say what would happen.
    pub dry_run: bool,
    /// Rows that cannot be imported go there, one JSON object a line; `None` counts them only.
    pub rejects: Option<PathBuf>,
}

impl Options {
    /// Everything that is recognised in `file`, for the default project.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            project: Project::default(),
            table: None,
            mapping: None,
            source_name: None,
            time_zone: TimeZone::system(),
            dry_run: false,
            rejects: None,
        }
    }
}

use std::path::PathBuf;

use agent_turbo_migrator::{Mapping, Options};
use anyhow::Result;
use jiff::tz::TimeZone;

use crate::deployment::Deployment;
use crate::input::bad;

/// What is read, and how it is understood.
#[derive(Debug, clap::Args)]
pub(super) struct SourceArgs {
    /// The SQLite file; it is never written to.
    file: PathBuf,
    /// The project that the entries belong to [default: default].
    #[arg(long, short)]
    project: Option<String>,
    /// Only this table [default: all that are recognised].
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// What the table's columns mean, such as content=title+body,created_at=ts,tags=labels,ignore=vector.
    ///
    /// Before the = stands content, created_at, last_accessed, access_count, category, tags, type, session, platform,
    /// metadata (a JSON object), json (kept in the metadata) or ignore. Columns that are not named are kept in the metadata.
    /// A name with other characters than letters, digits and _ stands in double quotes.
    #[arg(long, value_name = "MAPPING", requires = "table")]
    map: Option<Mapping>,
    /// The time zone of times that name none, such as Europe/Berlin [default: the system's].
    ///
    /// Times as SQLite's CURRENT_TIMESTAMP writes them are in UTC all the same.
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// What the source is called in the entries [default: the file's whole path].
    ///
    /// A file that was moved is recognised when its old path is given.
    #[arg(long, value_name = "NAME")]
    source_name: Option<String>,
}

impl SourceArgs {
    pub(super) fn options(self, deployment: &Deployment) -> Result<Options> {
        let time_zone = match self.time_zone {
            Some(name) => TimeZone::get(&name).map_err(|error| bad("the time zone", error.to_string()))?,
            None => TimeZone::system(),
        };
        if self.source_name.as_deref().is_some_and(|name| name.is_empty() || name.contains('\0')) {
            return Err(bad("the source's name", "it is empty, or holds a NUL".to_owned()));
        }
        Ok(Options {
            project: deployment.project(self.project.as_deref())?,
            table: self.table,
            mapping: self.map,
            source_name: self.source_name,
            time_zone,
            ..Options::new(self.file)
        })
    }
}

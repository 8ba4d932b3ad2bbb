//! The parser of connection strings, for fuzz targets.

use crate::target::Target;
use crate::{Config, Result};

/// What is shown of the server that a connection string names: its name and its `Debug`.
pub fn target(config: &Config) -> Result<(String, String)> {
    let target = Target::from_config(config)?;
    Ok((target.name(), format!("{target:?}")))
}

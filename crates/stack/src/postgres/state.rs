//! What is remembered about the server that was started last.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files;
use crate::home::Home;

/// Facts that the server's own pid file does not tell. A file that is missing or unreadable only means that they
/// have to be found out again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The version of the programs that run it.
    pub(crate) version: String,
    /// The folder of these programs.
    pub(crate) bin: PathBuf,
    /// The port to try first next time.
    pub(crate) port: u16,
}

impl State {
    pub(crate) fn read(home: &Home) -> Option<Self> {
        let text = files::read_small(&home.postgres_state()).ok()??;
        serde_json::from_str(&text).ok()
    }

    pub(crate) fn write(&self, home: &Home) -> Result<(), Error> {
        let json = serde_json::json!(self).to_string();
        files::replace(&home.postgres_state(), json.as_bytes(), 0o644)
    }
}

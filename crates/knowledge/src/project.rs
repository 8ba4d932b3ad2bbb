use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A name under which entries are kept apart. Matched whole and to the letter, never by prefix or pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Project(String);

const MAX_BYTES: usize = 128;

impl Project {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Project {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for Project {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let why = if name.is_empty() {
            "a project's name is not empty"
        } else if name.len() > MAX_BYTES {
            "a project's name has at most 128 bytes"
        } else if name.chars().any(char::is_control) {
            "a project's name holds no control characters"
        } else if name.trim() != name {
            "a project's name neither begins nor ends with a space"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(Error::bad_input("the project", format!("{why}, unlike {name:?}")))
    }
}

impl TryFrom<String> for Project {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Project> for String {
    fn from(project: Project) -> Self {
        project.0
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

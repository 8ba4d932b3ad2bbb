use std::fmt;
use std::str::FromStr;

use agent_turbo_db::types::{FromSql, Type};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How urgent a task is: 10 comes first, 1 last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct Priority(i32);

impl Priority {
    /// Before everything else.
    pub const HIGHEST: Self = Self(10);
    /// After everything else.
    pub const LOWEST: Self = Self(1);

    /// The number, 1 to 10.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

impl TryFrom<i32> for Priority {
    type Error = Error;

    fn try_from(priority: i32) -> Result<Self> {
        if (Self::LOWEST.0..=Self::HIGHEST.0).contains(&priority) {
            Ok(Self(priority))
        } else {
            Err(Error::bad_input(
                "the priority",
                format!("{priority} is not between 1 (last) and 10 (first)"),
            ))
        }
    }
}

impl From<Priority> for i32 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

impl FromStr for Priority {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number: i32 = text.parse().map_err(|_| {
            Error::bad_input("the priority", format!("{text:?} is not a number between 1 and 10"))
        })?;
        number.try_into()
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'a> FromSql<'a> for Priority {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(i32::from_sql(ty, raw)?.try_into()?)
    }

    fn accepts(ty: &Type) -> bool {
        i32::accepts(ty)
    }
}

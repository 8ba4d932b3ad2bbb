use std::error::Error;
use std::fmt;

use agent_turbo_db::types::{FromSql, Type};
use serde::Serialize;

/// What a probe found. Nobody but a probe says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceStatus {
    /// Nobody has looked yet.
    Unknown,
    /// It answered as it should.
    Active,
    /// Nobody listens there.
    Inactive,
    /// It answered wrongly, too late, or could not be reached.
    Failed,
}

impl ServiceStatus {
    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for ServiceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<'a> FromSql<'a> for ServiceStatus {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let word = <&str>::from_sql(of, raw)?;
        [Self::Unknown, Self::Active, Self::Inactive, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or_else(|| format!("{word:?} is no status of a service").into())
    }

    fn accepts(of: &Type) -> bool {
        <&str>::accepts(of)
    }
}

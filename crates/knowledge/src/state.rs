use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether an entry is found, and if not, why. It can be read all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is found.
    Current,
    /// It waits for somebody's approval.
    Quarantined,
    /// Another entry took its place.
    Superseded,
    /// Its time is over.
    Expired,
}

impl State {
    pub(crate) fn of(is_quarantined: bool, is_superseded: bool, is_expired: bool) -> Self {
        if is_quarantined {
            Self::Quarantined
        } else if is_superseded {
            Self::Superseded
        } else if is_expired {
            Self::Expired
        } else {
            Self::Current
        }
    }

    /// As programs read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Quarantined => "quarantined",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::TaskId;
use crate::{Error, Result};

/// The longest that a task can be held without a sign of life.
pub const MAX_LEASE: Duration = Duration::from_hours(24);

/// What the holder of a task shows to prove that he holds it. Whoever claims a task gets a new one, so that what an
/// earlier holder still sends changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseToken(pub(crate) Uuid);

/// The right to work on a task, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The task.
    pub task_id: TaskId,
    /// What proves the right.
    pub token: LeaseToken,
    /// When it ends, unless a heartbeat comes before.
    pub expires_at: Timestamp,
}

impl LeaseToken {
    pub(crate) fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

impl FromStr for LeaseToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse()
            .map(Self)
            .map_err(|_| Error::bad_input("the lease token", "it is not what `task claim` gave out"))
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Logs show which token it is, not the token.
impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeaseToken({}…)", &self.0.simple().to_string()[..4])
    }
}

/// Seconds, of a length that a lease may have.
pub(crate) fn seconds(lease: Duration) -> Result<f64> {
    if lease.is_zero() || lease > MAX_LEASE {
        return Err(Error::bad_input(
            "the lease",
            format!("{lease:?} is not between a moment and {} hours", MAX_LEASE.as_secs() / 3600),
        ));
    }
    Ok(lease.as_secs_f64())
}

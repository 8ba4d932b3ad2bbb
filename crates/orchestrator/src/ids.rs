use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::name::check_name;
use crate::{Error, Result};

/// A text that names a row; checked for what no id may be, otherwise anybody's.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// An id as the database gave it.
            pub(crate) fn stored(id: String) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(id: &str) -> Result<Self> {
                check_name($what, id)?;
                Ok(Self(id.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(id: String) -> Result<Self> {
                id.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A session, `{platform}_{role}_{8 hex digits}` when it is ours.
    SessionId, "the session's id"
}
text_id! {
    /// A task, `task_{12 hex digits}` when it is ours.
    TaskId, "the task's id"
}
text_id! {
    /// An action of the audit trail, `action_{32 hex digits}` when it is ours.
    ActionId, "the action's id"
}

impl SessionId {
    pub(crate) fn generate(platform: &str, role: &str) -> Self {
        Self::of_start(platform, role, Uuid::new_v4(), 0)
    }

    /// The id that the start tries in its nth `attempt`.
    pub(crate) fn of_start(platform: &str, role: &str, start: Uuid, attempt: usize) -> Self {
        let hash = Sha256::digest(format!("{start} {attempt}"));
        let hex: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{platform}_{role}_{hex}"))
    }
}

impl TaskId {
    pub(crate) fn generate() -> Self {
        Self(format!("task_{}", &hex()[..12]))
    }
}

impl ActionId {
    /// An id that nobody has. Milliseconds since 1970 first, so that new ids stand together in the index.
    pub fn generate() -> Self {
        Self(format!("action_{:012x}{}", Timestamp::now().as_millisecond(), &hex()[12..]))
    }
}

fn hex() -> String {
    Uuid::new_v4().simple().to_string()
}

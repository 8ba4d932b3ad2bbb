use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// What an entry is known by: the SHA-256 of its normalised content, in lower-case hex. Rows of other programs may
/// carry a hash of another kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentHash(String);

impl ContentHash {
    pub(crate) fn of(normalised: &str) -> Self {
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(normalised.as_bytes()) {
            let _ = write!(hex, "{byte:02x}");
        }
        Self(hex)
    }

    pub(crate) fn from_row(hash: String) -> Self {
        Self(hash)
    }

    /// The whole hash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 8 characters, as people quote it.
    pub fn short(&self) -> &str {
        self.0.char_indices().nth(8).map_or(&self.0, |(end, _)| &self.0[..end])
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names an entry: a content hash, or enough of its beginning to be the only one in its project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRef(String);

impl EntryRef {
    /// The bounds of all hashes that begin like this: from the first, up to and without the second.
    pub(crate) fn range(&self) -> (&str, String) {
        // In the C collation "g" follows every hex digit.
        (&self.0, format!("{}g", self.0))
    }
}

impl FromStr for EntryRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let hex = text.trim().to_ascii_lowercase();
        if (4..=64).contains(&hex.len()) && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(hex))
        } else {
            Err(Error::bad_input("the entry", format!("{text:?} is not 4 to 64 digits of a content hash")))
        }
    }
}

impl From<&ContentHash> for EntryRef {
    fn from(hash: &ContentHash) -> Self {
        Self(hash.0.clone())
    }
}

impl fmt::Display for EntryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

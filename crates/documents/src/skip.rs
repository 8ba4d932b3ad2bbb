use std::fmt;

use serde::Serialize;

/// Why a file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Skip {
    /// It is no text.
    Binary,
    /// Its text holds nothing but white space.
    Empty,
    /// It is larger than what is taken.
    TooLarge {
        /// The most that is taken.
        max_bytes: u64,
    },
    /// A symbolic link in a folder: it may lead out of the folder, or in a circle.
    SymbolicLink,
    /// A pipe, a socket or a device.
    NotAFile,
    /// A tool wrote it for itself, such as a lock file or minified code.
    Generated,
    /// It cannot be read.
    Unreadable {
        /// What the system says.
        why: String,
    },
    /// It is in a format that is known, and damaged.
    Damaged {
        /// What is wrong with it.
        why: String,
    },
    /// Its name is not UTF-8.
    Name,
}

impl Skip {
    /// Whether somebody would want to know, and mend it; everything else is as it should be.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::Damaged { .. } | Self::Name)
    }

    /// Whether the file may hold what it held when it was last read.
    pub fn may_be_unchanged(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary => f.write_str("binary"),
            Self::Empty => f.write_str("empty"),
            Self::TooLarge { max_bytes } => write!(f, "larger than {max_bytes} bytes"),
            Self::SymbolicLink => f.write_str("a symbolic link"),
            Self::NotAFile => f.write_str("not a file"),
            Self::Generated => f.write_str("generated"),
            Self::Unreadable { why } => write!(f, "cannot be read: {why}"),
            Self::Damaged { why } => write!(f, "damaged: {why}"),
            Self::Name => f.write_str("its name is not UTF-8"),
        }
    }
}

impl From<&std::io::Error> for Skip {
    fn from(error: &std::io::Error) -> Self {
        Self::Unreadable { why: error.to_string() }
    }
}

use std::fmt;

/// A PostgreSQL connection string (URL or `key=value` form). It holds a password, so it never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionUrl(String);

impl ConnectionUrl {
    /// Takes the string as it is; it is parsed when a [`Database`](crate::Database) is opened.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The string with its password, for handing it to a driver or to a user who asked for it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionUrl(…)")
    }
}

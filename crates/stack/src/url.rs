//! The address of the database, with its password kept out of sight.

use std::fmt;
use std::path::Path;

/// A PostgreSQL connection URL. `Debug` and `Display` hide the password; [`expose`](Self::expose) gives it all.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionUrl {
    user: &'static str,
    password: String,
    /// Already percent-encoded.
    host: String,
    port: u16,
    database: &'static str,
}

impl ConnectionUrl {
    pub(crate) fn socket(password: &str, socket_dir: &Path, port: u16) -> Self {
        Self::new(password, percent_encoded(socket_dir), port)
    }

    pub(crate) fn tcp(password: &str, port: u16) -> Self {
        Self::new(password, "127.0.0.1".to_owned(), port)
    }

    fn new(password: &str, host: String, port: u16) -> Self {
        Self {
            user: super::postgres::USER,
            password: password.to_owned(),
            host,
            port,
            database: super::postgres::DATABASE,
        }
    }

    /// The whole URL, password included: for connecting and for nothing else.
    pub fn expose(&self) -> String {
        self.with_password(&self.password)
    }

    fn with_password(&self, password: &str) -> String {
        let Self { user, host, port, database, .. } = self;
        format!("postgres://{user}:{password}@{host}:{port}/{database}")
    }
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_password("***"))
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionUrl({self})")
    }
}

/// A directory in the place of a host name: everything but unreserved characters is encoded, which is how both
/// libpq and the Rust driver tell a socket directory from a name.
fn percent_encoded(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().iter().fold(String::new(), |mut out, &byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_expose_shows_the_password() {
        let url = ConnectionUrl::socket("geheim", Path::new("/run/a b"), 5433);
        assert_eq!(url.expose(), "postgres://agent_turbo:geheim@%2Frun%2Fa%20b:5433/agent_turbo");
        assert_eq!(url.to_string(), "postgres://agent_turbo:***@%2Frun%2Fa%20b:5433/agent_turbo");
        assert!(!format!("{url:?}").contains("geheim"));
    }
}

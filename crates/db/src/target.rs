//! From a connection string to what the driver takes: `sslmode` and `sslrootcert` are ours, the rest is the driver's.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio_postgres::config::Host;

use crate::config::Config;
use crate::{Error, Result};

/// How much of TLS is asked for, in libpq's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// A server to connect to.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) driver: tokio_postgres::Config,
    pub(crate) ssl_mode: SslMode,
    pub(crate) ssl_root_cert: Option<PathBuf>,
}

impl Target {
    pub(crate) fn from_config(config: &Config) -> Result<Self> {
        let (rest, ssl) = split_ssl(config.url.expose());
        // The driver's own message may quote the string, and with it the password.
        let mut driver = tokio_postgres::Config::from_str(&rest).map_err(|error| {
            let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            Error::Config(format!("the connection string cannot be parsed ({})", without_quotes(&reason)))
        })?;
        let mut ssl_mode = SslMode::Prefer;
        let mut ssl_root_cert = None;
        for (key, value) in ssl {
            match (key.as_str(), value.as_str()) {
                ("sslmode", "disable") => ssl_mode = SslMode::Disable,
                ("sslmode", "allow" | "prefer") => ssl_mode = SslMode::Prefer,
                ("sslmode", "require") => ssl_mode = SslMode::Require,
                ("sslmode", "verify-ca") => ssl_mode = SslMode::VerifyCa,
                ("sslmode", "verify-full") => ssl_mode = SslMode::VerifyFull,
                ("sslmode", other) => {
                    // What is no word may be the rest of a string that was quoted wrongly, with the password in it.
                    let is_word = other.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
                    let given = if is_word { format!("{other:?}") } else { "no word".to_owned() };
                    return Err(Error::Config(format!(
                        "sslmode is {given}: disable, prefer, require, verify-ca or verify-full is understood"
                    )));
                }
                (_, path) => ssl_root_cert = Some(PathBuf::from(path)),
            }
        }
        // libpq's rule: a root certificate turns `require` into `verify-ca`.
        if ssl_mode == SslMode::Require && ssl_root_cert.is_some() {
            ssl_mode = SslMode::VerifyCa;
        }
        driver.ssl_mode(match ssl_mode {
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                tokio_postgres::config::SslMode::Require
            }
        });
        if driver.get_hosts().is_empty() && driver.get_hostaddrs().is_empty() {
            return Err(Error::Config("the connection string names no host".to_owned()));
        }
        refuse_nul(&driver, ssl_root_cert.as_deref())?;
        // libpq's rule: a Unix socket has no TLS. Asking for it all the same would cost a round trip.
        if driver.get_hosts().iter().all(is_socket) && driver.get_hostaddrs().is_empty() {
            ssl_mode = SslMode::Disable;
            driver.ssl_mode(tokio_postgres::config::SslMode::Disable);
        }
        check_schema(config.schema.as_deref())?;
        driver.connect_timeout(config.connect_timeout);
        driver.keepalives_idle(std::time::Duration::from_secs(30));
        if driver.get_application_name().is_none() {
            driver.application_name("agent-turbo");
        }
        let options = startup_options(config, driver.get_options());
        driver.options(options);
        Ok(Self { driver, ssl_mode, ssl_root_cert })
    }

    /// Hosts and ports, for messages.
    pub(crate) fn name(&self) -> String {
        let ports = self.driver.get_ports();
        let hosts = self.driver.get_hosts().iter().enumerate().map(|(index, host)| {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => format!("{}/.s.PGSQL.{port}", path.display()),
            }
        });
        hosts.collect::<Vec<_>>().join(", ")
    }
}

/// Server settings as `-c name=value` start-up options: they cost no round trip.
fn startup_options(config: &Config, given: Option<&str>) -> String {
    let millis = config.statement_timeout.as_millis().to_string();
    let mut settings = vec![
        ("statement_timeout", millis.clone()),
        ("idle_in_transaction_session_timeout", millis),
        // Short statements by index: compiling them costs more than running them.
        ("jit", "off".to_owned()),
    ];
    if let Some(schema) = &config.schema {
        settings.push(("search_path", format!("\"{}\",public", schema.replace('"', "\"\""))));
    }
    settings.extend(config.session_settings.iter().cloned());
    let ours = settings.iter().map(|(name, value)| format!("-c {name}={}", escaped(value)));
    // What the connection string says comes last, so it wins.
    ours.chain(given.map(str::to_owned)).collect::<Vec<_>>().join(" ")
}

/// One word among the options, whatever it holds.
fn escaped(value: &str) -> String {
    let special = |c: char| c == '\\' || c.is_whitespace();
    value.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn check_schema(schema: Option<&str>) -> Result<()> {
    match schema {
        Some(name) if name.is_empty() || name.contains('\0') => {
            Err(Error::Config(format!("{name:?} cannot be the name of a schema")))
        }
        _ => Ok(()),
    }
}

/// Neither the protocol nor the environment of a program can hold one.
fn refuse_nul(driver: &tokio_postgres::Config, ssl_root_cert: Option<&Path>) -> Result<()> {
    let texts = [
        driver.get_user(),
        driver.get_dbname(),
        driver.get_options(),
        driver.get_application_name(),
        ssl_root_cert.and_then(Path::to_str),
    ];
    let hosts = driver.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.as_bytes(),
        #[cfg(unix)]
        Host::Unix(path) => path.as_os_str().as_encoded_bytes(),
    });
    let given = texts.iter().flatten().map(|text| text.as_bytes());
    if given.chain(driver.get_password()).chain(hosts).any(|bytes| bytes.contains(&0)) {
        return Err(Error::Config("the connection string holds a NUL character".to_owned()));
    }
    Ok(())
}

fn is_socket(host: &Host) -> bool {
    match host {
        #[cfg(unix)]
        Host::Unix(_) => true,
        Host::Tcp(_) => false,
    }
}

/// Takes `sslmode` and `sslrootcert` out of a connection string of either form.
fn split_ssl(url: &str) -> (String, Vec<(String, String)>) {
    let is_ssl = |key: &str| key == "sslmode" || key == "sslrootcert";
    let mut ssl = Vec::new();
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        // As the driver has it: up to an @ everything is user and password, which may hold a question mark.
        let login = url.find('@').unwrap_or(0);
        let Some(mark) = url[login..].find('?') else {
            return (url.to_owned(), ssl);
        };
        let (base, query) = (&url[..login + mark], &url[login + mark + 1..]);
        let mut rest = Vec::new();
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some((key, value)) if is_ssl(key) => ssl.push((key.to_owned(), percent_decode(value))),
                _ => rest.push(pair),
            }
        }
        let rest = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        return (rest, ssl);
    }
    let mut rest = Vec::new();
    for word in split_words(url) {
        match word.split_once('=') {
            Some((key, value)) if is_ssl(key.trim()) => {
                ssl.push((key.trim().to_owned(), value.trim().trim_matches('\'').to_owned()));
            }
            _ => rest.push(word),
        }
    }
    (rest.join(" "), ssl)
}

/// Words of the `key=value` form; a value in single quotes may hold spaces.
fn split_words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                words.push(&text[start..index]);
                start = index + c.len_utf8();
            }
            _ => {}
        }
    }
    words.push(&text[start..]);
    words.retain(|word| !word.is_empty());
    words
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        if let Some(byte) =
            hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok())
        {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Drops whatever a message quotes: in a connection string that may be a password.
fn without_quotes(message: &str) -> String {
    message.split(['`', '"', '\'']).step_by(2).collect::<Vec<_>>().join("…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConnectionUrl;

    fn target(url: &str) -> Result<Target> {
        Target::from_config(&Config::new(ConnectionUrl::new(url)))
    }

    #[test]
    fn every_sslmode_of_libpq_is_understood_in_both_forms() {
        for (name, mode) in [
            ("disable", SslMode::Disable),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ] {
            assert_eq!(target(&format!("postgresql://u:p@h/d?sslmode={name}")).unwrap().ssl_mode, mode);
            assert_eq!(target(&format!("host=h user=u sslmode={name} dbname=d")).unwrap().ssl_mode, mode);
        }
    }

    #[test]
    fn a_question_mark_in_a_password_hides_no_sslmode() {
        let target = target("postgresql://u:what?&sslmode=disable@h/d?sslmode=verify-full").unwrap();
        assert_eq!(target.ssl_mode, SslMode::VerifyFull);
        assert_eq!(target.driver.get_password(), Some(&b"what?&sslmode=disable"[..]));
    }

    #[test]
    fn a_socket_has_no_tls_to_ask_for() {
        assert_eq!(target("postgresql://u@%2Frun/d?sslmode=require").unwrap().ssl_mode, SslMode::Disable);
        assert_eq!(target("host=/run,h user=u sslmode=require").unwrap().ssl_mode, SslMode::Require);
    }

    #[test]
    fn a_schema_needs_a_name() {
        for name in ["", "a\0b"] {
            let config =
                Config { schema: Some(name.to_owned()), ..Config::new(ConnectionUrl::new("host=h")) };
            assert!(matches!(Target::from_config(&config), Err(Error::Config(_))), "{name:?}");
        }
    }

    #[test]
    fn a_root_certificate_makes_require_verify_the_chain() {
        let target =
            target("postgresql://u@h/d?connect_timeout=3&sslrootcert=%2Ftmp%2Fmy%20ca.pem&sslmode=require")
                .unwrap();
        assert_eq!(target.ssl_mode, SslMode::VerifyCa);
        assert_eq!(target.ssl_root_cert.unwrap(), PathBuf::from("/tmp/my ca.pem"));
    }

    #[test]
    fn several_hosts_keep_their_ports_and_session_attributes() {
        let target = target("postgresql://u@a:1,b:2/d?target_session_attrs=read-write").unwrap();
        assert_eq!(target.name(), "a:1, b:2");
        assert_eq!(
            target.driver.get_target_session_attrs(),
            tokio_postgres::config::TargetSessionAttrs::ReadWrite
        );
    }

    #[test]
    fn a_broken_string_is_refused_without_showing_its_password() {
        for url in [
            "postgresql://u:hunter2@h:port/d",
            "host=h password='hunter2",
            "hunter2",
            "postgresql://u:hunter2@h/d?hunter2=1",
            "host=h sslmode='require password=hunter2",
            "postgresql://u:hunter2@h/d?application_name=%00",
            "postgresql://u:hunter2%00@h/d",
            "postgresql://u@h/d?sslmode=require?password=hunter2",
        ] {
            let error = target(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(matches!(target("user=u"), Err(Error::Config(_))));
        assert!(matches!(target("postgresql://u@h/d?sslmode=maybe"), Err(Error::Config(_))));
    }

    #[test]
    fn what_the_connection_string_sets_wins_over_our_defaults() {
        let target = target("host=h options='-c statement_timeout=5'").unwrap();
        let options = target.driver.get_options().unwrap();
        assert!(options.ends_with("-c statement_timeout=5"), "{options}");
    }
}

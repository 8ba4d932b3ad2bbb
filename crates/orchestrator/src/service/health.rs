//! Asking a service whether it is there. Knows no database.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use agent_turbo_redact::redact;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::ServiceStatus;
use crate::{Error, Result};

/// How long a service may take for its whole answer, the connection included.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of an answer is read; what is longer answers, too.
const MAX_ANSWER: usize = 64 << 10;
const MAX_URL: usize = 2048;

/// Where a service is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// 2xx is what it should answer.
    Http(Uri),
    /// It should take a connection; `None` is this machine.
    Port(Option<String>, u16),
}

/// What a probe found, and why it is not [`ServiceStatus::Active`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) status: ServiceStatus,
    pub(crate) error: Option<String>,
}

impl Target {
    /// Asks once, within [`PROBE_TIMEOUT`].
    pub(crate) async fn probe(&self) -> Finding {
        let answer = async {
            match self {
                Self::Http(uri) => get(uri).await,
                Self::Port(host, port) => {
                    connect(host.as_deref(), *port).await.map(drop).map_err(Wrong::from)
                }
            }
        };
        let wrong = match tokio::time::timeout(PROBE_TIMEOUT, answer).await {
            Ok(Ok(())) => return Finding { status: ServiceStatus::Active, error: None },
            Ok(Err(wrong)) => wrong,
            Err(_) => Wrong(ServiceStatus::Failed, format!("it did not answer within {PROBE_TIMEOUT:?}")),
        };
        Finding { status: wrong.0, error: Some(wrong.1) }
    }
}

/// A health URL that can be asked.
pub(crate) fn parse_url(url: &str) -> Result<Uri> {
    let bad = |why: String| Err(Error::bad_input("the health URL", why));
    if url.len() > MAX_URL {
        return bad(format!("it has more than {MAX_URL} bytes"));
    }
    // Everybody may see it, in lists and in landing contexts. Not repeated here for the same reason.
    if url.contains('@') || !redact(url).kinds.is_empty() {
        return bad("it may hold no user name, password or other secret".to_owned());
    }
    let Ok(uri) = url.parse::<Uri>() else { return bad(format!("{url:?} is not a URL")) };
    match uri.scheme_str() {
        Some("http") if has_address(&uri) => Ok(uri),
        Some("https") => {
            bad(format!("{url:?} asks for TLS, which probes do not speak; give its port instead"))
        }
        _ => bad(format!("{url:?} is not of the form http://host:port/path")),
    }
}

/// Whether only this machine itself is meant.
pub(crate) fn is_loopback(uri: &Uri) -> bool {
    let host = host(uri);
    let address = host.parse::<std::net::IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// A host, and a port that is one.
fn has_address(uri: &Uri) -> bool {
    let Some(authority) = uri.authority() else { return false };
    let port = authority.as_str().strip_prefix(authority.host());
    !authority.host().is_empty() && (port == Some("") || authority.port_u16().is_some_and(|port| port > 0))
}

/// Without the brackets round an IPv6 address.
fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

struct Wrong(ServiceStatus, String);

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            Self(ServiceStatus::Inactive, "nobody listens there: connection refused".to_owned())
        } else {
            Self(ServiceStatus::Failed, format!("it cannot be reached: {error}"))
        }
    }
}

impl From<hyper::Error> for Wrong {
    fn from(error: hyper::Error) -> Self {
        // What hyper says of the cause is in its source.
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        let source = source.unwrap_or_default();
        Self(ServiceStatus::Failed, format!("it does not answer in HTTP: {error}{source}"))
    }
}

async fn connect(host: Option<&str>, port: u16) -> io::Result<TcpStream> {
    let Some(host) = host else {
        return match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            // Without IPv6 the second refusal would be of another kind.
            Err(error) => TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.map_err(|_| error),
            connected => connected,
        };
    };
    TcpStream::connect((host, port)).await
}

/// One request on a connection of its own; redirects are answers like others, and wrong ones.
async fn get(uri: &Uri) -> std::result::Result<(), Wrong> {
    let stream = connect(Some(host(uri)), uri.port_u16().unwrap_or(80)).await?;
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(MAX_ANSWER).handshake(TokioIo::new(stream)).await?;
    // Ends with this future, however it ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(USER_AGENT, concat!("agent-turbo/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Wrong(ServiceStatus::Failed, format!("it cannot be asked: {error}")))?;
    let mut answer = sender.send_request(request).await?;
    let status = answer.status();
    if !status.is_success() {
        return Err(Wrong(ServiceStatus::Failed, format!("it answered {}", named(status))));
    }
    let mut length = 0;
    while let Some(frame) = answer.frame().await {
        length += frame?.data_ref().map_or(0, Bytes::len);
        if length > MAX_ANSWER {
            break;
        }
    }
    Ok(())
}

fn named(status: StatusCode) -> String {
    let what = if status.is_redirection() { ", a redirect, which is not followed" } else { "" };
    format!("{status}{what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_can_be_asked_are_told_from_others() {
        for url in
            ["http://localhost", "http://127.0.0.1:80/health?deep=1", "http://[::1]:8080/", "http://a.b:1"]
        {
            assert!(parse_url(url).is_ok(), "{url}");
        }
        let cases = [
            ("", "not a URL"),
            ("localhost:80", "http://host:port/path"),
            ("/health", "http://host:port/path"),
            ("http://", "not a URL"),
            ("http://:80/", "http://host:port/path"),
            ("http://a:99999/", "http://host:port/path"),
            ("http://a:0/", "http://host:port/path"),
            ("http://a b/", "not a URL"),
            ("ftp://a/", "http://host:port/path"),
            ("https://a/", "TLS"),
            ("http://ann:hunter2@a/", "no user name"),
            ("https://a/?key=sk-hunter2hunter2hunter2", "other secret"),
        ];
        for (url, why) in cases {
            let error = parse_url(url).unwrap_err().to_string();
            assert!(error.starts_with("accept the health URL: ") && error.contains(why), "{url}: {error}");
            assert!(!error.contains("hunter2"));
        }
        assert!(parse_url(&format!("http://a/{}", "x".repeat(MAX_URL))).is_err());
    }

    #[test]
    fn addresses_of_this_machine_alone_are_known() {
        for (url, expected) in [
            ("http://localhost:1/", true),
            ("http://LOCALHOST", true),
            ("http://127.0.0.2", true),
            ("http://[::1]:80", true),
            ("http://192.168.0.1", false),
            ("http://localhost.example.org", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }
}

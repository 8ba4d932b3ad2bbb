//! By what name the server is called, and by whose page: what keeps a browser from being used against it.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, Version};

use super::config::Config;
use super::problem::Problem;

/// The names and origins that are accepted.
#[derive(Debug)]
pub(super) struct Names {
    hosts: Vec<String>,
    any_address: bool,
    origins: Vec<String>,
}

/// Whose page asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// No page, or one of this server.
    Own,
    /// One that was allowed, and that is to be told so.
    Allowed(HeaderValue),
}

impl Names {
    pub(super) fn new(config: &Config) -> Self {
        let lower = |names: &[String]| names.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        let origins: Vec<String> = lower(&config.allowed_origins);
        Self {
            hosts: lower(&config.allowed_hosts),
            any_address: config.allow_any_address,
            origins: origins.iter().map(|origin| origin.trim_end_matches('/').to_owned()).collect(),
        }
    }

    /// Refuses a request that calls the server by a name that is not its own: a page whose name was made to point here
    /// does that (DNS rebinding).
    pub(super) fn check_host(&self, head: &Parts) -> Result<Option<Authority>, Problem> {
        let mut named = head.headers.get_all(HOST).iter();
        let host = match (named.next(), named.next()) {
            (Some(host), None) => host,
            // The oldest HTTP needs no name, but then its target may not bring one in.
            (None, _) if head.version == Version::HTTP_10 && head.uri.authority().is_none() => {
                return Ok(None);
            }
            (None, _) => return Err(Problem::bad_request("the request has no Host header")),
            (Some(_), Some(_)) => {
                return Err(Problem::bad_request("the request has several Host headers"));
            }
        };
        let authority = parse(host.as_bytes())
            .ok_or_else(|| Problem::bad_request("the Host header is neither a name nor an address"))?;
        if let Some(target) = head.uri.authority()
            && target.as_str().to_ascii_lowercase() != authority.as_str()
        {
            return Err(Problem::bad_request("the request's target and its Host header are different"));
        }
        if self.is_own(&authority) {
            return Ok(Some(authority));
        }
        let detail = "the server is not called by that name";
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown-host", detail)
            .with_hint("start it with --allowed-host NAME"))
    }

    /// Refuses pages of other origins.
    pub(super) fn check_origin(&self, head: &Parts, host: Option<&Authority>) -> Result<Origin, Problem> {
        let mut origins = head.headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(Origin::Own) };
        let text = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        if origins.next().is_none() {
            let name = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            if name.is_some_and(|name| host.is_some_and(|host| name == host.as_str())) {
                return Ok(Origin::Own);
            }
            if self.origins.contains(&text) {
                return Ok(Origin::Allowed(origin.clone()));
            }
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "unknown-origin", "pages of this origin may not ask")
            .with_hint("start the server with --allowed-origin ORIGIN"))
    }

    fn is_own(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // A name can be made to point anywhere; an address cannot.
        if let Ok(address) = address.parse::<IpAddr>() {
            return self.any_address || address.is_loopback();
        }
        host == "localhost" || self.hosts.iter().any(|own| own == host || own == authority.as_str())
    }
}

/// In small letters, without a user, and with a port that there can be.
fn parse(host: &[u8]) -> Option<Authority> {
    let authority: Authority = std::str::from_utf8(host).ok()?.to_ascii_lowercase().parse().ok()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let port = &authority.as_str()[authority.host().len()..];
    let fits = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    fits.then_some(authority)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::{Config, Names, Origin};

    fn names() -> Names {
        Names::new(&Config {
            allowed_hosts: vec!["Box.example".to_owned(), "proxy.example:8443".to_owned()],
            allowed_origins: vec!["https://tool.example/".to_owned()],
            ..Config::default()
        })
    }

    fn host(hosts: &[&str]) -> Result<(), u16> {
        let mut request = Request::builder().uri("/v1/tasks");
        for host in hosts {
            request = request.header("host", *host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        names().check_host(&head).map(drop).map_err(|problem| problem.status())
    }

    #[test]
    fn the_server_answers_to_its_names_only() {
        for own in [
            "localhost",
            "LOCALHOST:8787",
            "127.0.0.1:1",
            "[::1]:8787",
            "box.example:80",
            "proxy.example:8443",
        ] {
            assert_eq!(host(&[own]), Ok(()), "{own}");
        }
        for other in
            ["evil.example", "localhost.evil.example", "proxy.example", "10.0.0.1", "localhost.", "127.1"]
        {
            assert_eq!(host(&[other]), Err(421), "{other}");
        }
        for wrong in
            ["", "user@localhost", "localhost:", "localhost:99999", "localhost:x", "a b", "localhost/x"]
        {
            assert_eq!(host(&[wrong]), Err(400), "{wrong}");
        }
        assert_eq!(host(&[]), Err(400));
        assert_eq!(host(&["localhost", "localhost"]), Err(400));
    }

    #[test]
    fn a_target_may_not_name_another_server_than_the_header() {
        let request = Request::builder().uri("http://evil.example/v1").header("host", "localhost");
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert!(names().check_host(&head).is_err());
    }

    #[test]
    fn pages_of_other_origins_may_not_ask() {
        let origin = |origins: &[&str]| {
            let mut request = Request::builder().uri("/").header("host", "localhost:8787");
            for origin in origins {
                request = request.header("origin", *origin);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            let host = names().check_host(&head).unwrap();
            names().check_origin(&head, host.as_ref()).ok()
        };
        assert_eq!(origin(&[]), Some(Origin::Own));
        assert_eq!(origin(&["http://localhost:8787"]), Some(Origin::Own));
        assert!(matches!(origin(&["https://tool.example"]), Some(Origin::Allowed(_))));
        for other in
            ["null", "http://localhost:8788", "https://evil.example", "", "file://", "http://localhost"]
        {
            assert_eq!(origin(&[other]), None, "{other}");
        }
        assert_eq!(origin(&["http://localhost:8787", "http://localhost:8787"]), None);
    }
}

//! Loopback ports.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use crate::error::Error;
use crate::process::wait_until;

/// A service that was killed a moment ago may still be letting go of its port.
const RELEASE_LIMIT: Duration = Duration::from_millis(250);

/// The preferred port if nobody listens there, else any free one.
pub(crate) fn choose(preferred: Option<u16>) -> Result<u16, Error> {
    match preferred.filter(|&port| port != 0 && wait_until(RELEASE_LIMIT, || is_free(port))) {
        Some(port) => Ok(port),
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map(|address| address.port())
            .map_err(Error::io("find a free port on", Path::new("127.0.0.1"))),
    }
}

pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

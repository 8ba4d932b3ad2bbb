//! Loopback ports.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::error::Error;

/// The preferred port if nobody listens there, else any free one.
pub(crate) fn choose(preferred: Option<u16>) -> Result<u16, Error> {
    match preferred.filter(|&port| port != 0 && is_free(port)) {
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

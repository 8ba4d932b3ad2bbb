//! Asking an embedding service how it is: `GET /health`, by hand because that is all the HTTP there is here.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// A healthy service answers at once, even while it computes.
const TIMEOUT: Duration = Duration::from_secs(2);
const LONGEST_ANSWER: usize = 64 * 1024;

/// What is looked at in the answer.
#[derive(Debug, Deserialize)]
struct Health {
    status: String,
    #[serde(default)]
    embedding_model: Option<String>,
}

/// Whether the service on this loopback port is healthy and serves this model.
pub(crate) fn is_healthy(port: u16, model: &str) -> bool {
    match ask(port) {
        Ok(health) => health.status == "healthy" && health.embedding_model.as_deref() == Some(model),
        Err(error) => {
            tracing::trace!(port, %error, "no health to be had");
            false
        }
    }
}

fn ask(port: u16) -> io::Result<Health> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    let request = format!("GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let deadline = Instant::now() + TIMEOUT;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while answer.len() < LONGEST_ANSWER {
        let read = stream.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..read]);
        if read == 0 {
            break;
        }
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    parse(&answer)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not the answer of an embedding service"))
}

fn parse(answer: &[u8]) -> Option<Health> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.lines().next()?.split(' ').nth(1)?;
    // A chunked body has its sizes round the one object that it is.
    let object = body.get(body.find('{')?..=body.rfind('}')?)?;
    (status == "200").then(|| serde_json::from_str(object).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_healthy_service_passes() {
        let body = r#"{"status":"healthy","model_loaded":true,"embedding_model":"m","embedding_dim":384}"#;
        let health = parse(format!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{body}").as_bytes()).unwrap();
        assert_eq!((health.status.as_str(), health.embedding_model.as_deref()), ("healthy", Some("m")));
        let chunked =
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n51\r\n{body}\r\n0\r\n\r\n");
        assert!(parse(chunked.as_bytes()).is_some());
        assert!(parse(format!("HTTP/1.1 503 Unavailable\r\n\r\n{body}").as_bytes()).is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n} no {").is_none());
        assert!(parse(b"SSH-2.0-OpenSSH").is_none());
        assert!(parse(b"").is_none());
    }
}

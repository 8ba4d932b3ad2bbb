use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// One connection to the HTTP API.
pub(super) struct Http {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Http {
    pub(super) async fn connect(url: &str) -> Result<Self> {
        let address: SocketAddr = url.strip_prefix("http://").context("a URL")?.parse()?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { address, sender })
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, String::new()).await
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::POST, path, body.to_string()).await
    }

    async fn ask(&mut self, method: Method, path: &str, body: String) -> Result<Value> {
        let asked = format!("{method} {path} {body}");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{asked}: {status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).with_context(|| asked)
    }
}

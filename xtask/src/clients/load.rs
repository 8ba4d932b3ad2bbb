//! Many calls at once, by connections that cost next to nothing: the Inspector's own work takes a whole processor at some
//! 600 calls a second over HTTP, so that it cannot tell how many the server could answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::stage::Stage;

const CONNECTIONS: usize = 8;
const LASTS: Duration = Duration::from_secs(5);
/// Calls a second on two processors. Without optimisation the server does about a third of what it can.
const MIN_CALLS: f64 = if cfg!(debug_assertions) { 500.0 } else { 1000.0 };

/// `recall` over MCP of 2026-07-28, from memory.
pub(super) async fn recall(stage: &Stage) -> Result<String> {
    let address: SocketAddr = stage.url.strip_prefix("http://").context("a URL")?.parse()?;
    let end = Instant::now() + LASTS;
    let calls = try_join_all((0..CONNECTIONS).map(|_| ask_until(address, end))).await?;
    let mut times: Vec<Duration> = calls.into_iter().flatten().collect();
    times.sort_unstable();
    let rate = times.len() as f64 / LASTS.as_secs_f64();
    ensure!(rate >= MIN_CALLS, "{rate:.0} calls/s are less than {MIN_CALLS}");
    Ok(format!(
        "{rate:.0} calls/s, p50 {:.2?}, p99 {:.2?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    ))
}

async fn ask_until(address: SocketAddr, end: Instant) -> Result<Vec<Duration>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "load", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let arguments = json!({ "query": "how are releases made" });
    let call = json!({ "name": "recall", "arguments": arguments, "_meta": meta });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call }).to_string();
    let mut times = Vec::new();
    while Instant::now() < end {
        let request = hyper::Request::post("/mcp")
            .header("host", address.to_string())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "recall")
            .body(Full::new(Bytes::from(body.clone())))?;
        let started = Instant::now();
        sender.ready().await?;
        let answer = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
        times.push(started.elapsed());
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer["result"]["isError"] == false, "{answer}");
    }
    Ok(times)
}

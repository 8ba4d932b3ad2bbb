//! The way to the embedding service, on which its answers can be lost, late or wrong.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::schedule::Wrong;

/// What becomes of requests from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Open,
    Closed,
    Slow(std::time::Duration),
    Wrong(Wrong),
}

/// Listens on a free port and passes requests on.
pub(super) struct Proxy {
    url: String,
    way: watch::Sender<Way>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// In front of the service at `http://host:port`.
    pub(super) async fn start(service: &str) -> Result<Self> {
        let address = service.strip_prefix("http://").context("the service's URL")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (way, current) = watch::channel(Way::Open);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (address, way) = (address.clone(), current.clone());
                // What goes wrong between the two is what this is for.
                tokio::spawn(async move { serve(stream, &address, way).await.ok() });
            }
        });
        Ok(Self { url, way, accepting })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// From the next request on; `Closed` ends the connections that are open, too.
    pub(super) fn make(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection: requests one after the other.
async fn serve(mut client: TcpStream, address: &str, mut way: watch::Receiver<Way>) -> Result<()> {
    client.set_nodelay(true)?;
    let mut service: Option<Stream> = None;
    let mut inbound = Vec::new();
    loop {
        if *way.borrow_and_update() == Way::Closed {
            return Ok(());
        }
        let request = tokio::select! {
            request = message(&mut client, &mut inbound) => request?,
            changed = way.changed() => { changed?; continue; }
        };
        let Some(request) = request else { return Ok(()) };
        let now = *way.borrow();
        match now {
            Way::Closed => return Ok(()),
            Way::Slow(delay) => tokio::time::sleep(delay).await,
            Way::Wrong(Wrong::Broken) => {
                client.write_all(&with_body("500 Broken", br#"{"error":"out of order"}"#)).await?;
                continue;
            }
            Way::Wrong(Wrong::Garbage) => {
                client.write_all(&with_body("200 OK", b"<html>welcome</html>")).await?;
                continue;
            }
            Way::Open | Way::Wrong(_) => {}
        }
        let upstream = match &mut service {
            Some(upstream) => upstream,
            None => service.insert(Stream { tcp: TcpStream::connect(address).await?, buffer: Vec::new() }),
        };
        upstream.tcp.set_nodelay(true)?;
        upstream.tcp.write_all(&request.bytes).await?;
        let answer = message(&mut upstream.tcp, &mut upstream.buffer).await?.context("an answer")?;
        match now {
            Way::Wrong(Wrong::Cut) => {
                let half = answer.head + (answer.bytes.len() - answer.head) / 2;
                return Ok(client.write_all(&answer.bytes[..half]).await?);
            }
            Way::Wrong(how) => {
                let body = spoiled(&answer.bytes[answer.head..], how)?;
                client.write_all(&with_body("200 OK", &body)).await?;
            }
            _ => client.write_all(&answer.bytes).await?,
        }
    }
}

struct Stream {
    tcp: TcpStream,
    buffer: Vec<u8>,
}

/// A whole request or answer, and where its body begins.
struct Message {
    bytes: Vec<u8>,
    head: usize,
}

/// The next message; `None` when the other side has gone. Cancelled, it keeps what it has read in `buffer`.
async fn message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<Message>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = end + 4;
            let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
            let length: usize = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                .unwrap_or(0);
            if buffer.len() >= head + length {
                let bytes = buffer.drain(..head + length).collect();
                return Ok(Some(Message { bytes, head }));
            }
        }
        let mut chunk = [0; 8192];
        match stream.read(&mut chunk).await? {
            0 => return Ok(None),
            count => buffer.extend_from_slice(&chunk[..count]),
        }
    }
}

fn with_body(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The answer with one thing wrong in it.
fn spoiled(body: &[u8], how: Wrong) -> Result<Vec<u8>> {
    let mut answer: Value = serde_json::from_slice(body)?;
    if how == Wrong::Model {
        for name in ["model", "embedding_model"] {
            if answer.get(name).is_some() {
                answer[name] = json!("somebody-elses-model");
            }
        }
    }
    // The soak adds one text at a time.
    if let Some(Value::Array(vector)) = answer.get_mut("embedding") {
        match how {
            Wrong::Dimension => drop(vector.pop()),
            Wrong::Zero => vector.iter_mut().for_each(|component| *component = json!(0.0)),
            Wrong::NotANumber => vector[0] = json!("NaN"),
            _ => {}
        }
    }
    if how == Wrong::Dimension && answer.get("dimensions").is_some() {
        answer["dimensions"] = json!(answer["dimensions"].as_u64().unwrap_or(1) - 1);
    }
    let text = answer.to_string();
    Ok(if how == Wrong::NotANumber { text.replace("\"NaN\"", "NaN") } else { text }.into_bytes())
}

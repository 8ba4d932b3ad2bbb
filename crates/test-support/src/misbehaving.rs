use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How a service goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes the request and never answers.
    Silent,
    /// Closes the connection in the middle of its answer.
    Breaks,
    /// Answers this, whatever was asked: status and body.
    Answers(u16, String),
    /// Answers `404` to `/batch` and this to everything else.
    WithoutBatch(String),
}

/// An HTTP service that does not keep its protocol, for what others must survive.
pub struct Misbehaving {
    url: String,
    behaviour: watch::Sender<Behaviour>,
    requests: Arc<AtomicUsize>,
}

impl Misbehaving {
    /// Listens on a free port.
    pub async fn start(behaviour: Behaviour) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (behaviour, current) = watch::channel(behaviour);
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, current.clone(), Arc::clone(&counter)));
            }
        });
        Ok(Self { url, behaviour, requests })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From the next request on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// One connection: requests one after the other, as keep-alive has it.
async fn serve(
    mut stream: TcpStream,
    behaviour: watch::Receiver<Behaviour>,
    requests: Arc<AtomicUsize>,
) -> Result<()> {
    let mut buffer = Vec::new();
    while let Some(path) = read_request(&mut stream, &mut buffer).await? {
        requests.fetch_add(1, Ordering::SeqCst);
        let behaviour = behaviour.borrow().clone();
        let (status, body) = match behaviour {
            Behaviour::Silent => return std::future::pending().await,
            Behaviour::Breaks => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"embedding\":[0.1")
                    .await?;
                return Ok(());
            }
            Behaviour::WithoutBatch(_) if path == "/batch" => {
                (404, "{\"error\":\"no such route\"}".to_owned())
            }
            Behaviour::Answers(status, body) => (status, body),
            Behaviour::WithoutBatch(body) => (200, body),
        };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
    }
    Ok(())
}

/// The path of the next request, its body read to the end; `None` when the client has gone.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<String>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let total = end + 4 + length.unwrap_or(0);
            if buffer.len() >= total {
                buffer.drain(..total);
                return Ok(head.split(' ').nth(1).map(str::to_owned));
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await? {
            0 => return Ok(None),
            count => buffer.extend_from_slice(&chunk[..count]),
        }
    }
}

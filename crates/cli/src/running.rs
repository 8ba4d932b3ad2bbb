//! The server that runs in this home, for commands that it can answer faster.

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use agent_turbo_knowledge::{Hit, Mode, Query, States};
use agent_turbo_stack::Home;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::deployment::Deployment;

const FILE: &str = "server.json";
/// For a server to say that it is there. It is on this machine.
const ALIVE_WITHIN: Duration = Duration::from_millis(250);
/// For an answer; after that the database is asked.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const MAX_ANSWER: usize = 256 << 20;

/// Where a server listens. The file may be stale: whoever reads it asks.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    url: String,
    pid: u32,
}

/// `server.json` in the home, for as long as the server lives.
#[derive(Debug)]
pub(crate) struct ServerFile(PathBuf);

/// What a server answered to a question.
#[derive(Debug, Deserialize)]
pub(crate) struct Answered {
    /// The best first.
    pub(crate) results: Vec<Hit>,
    /// How it was really looked for.
    pub(crate) mode: Mode,
    /// Why that is not what was asked for.
    pub(crate) degraded: Option<String>,
}

impl ServerFile {
    pub(crate) fn write(home: &Home, address: SocketAddr) -> io::Result<Self> {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let url = format!("http://{}", SocketAddr::new(ip, address.port()));
        let running = Running { url, pid: std::process::id() };
        fs::create_dir_all(home.path())?;
        let path = home.path().join(FILE);
        // Of two servers of one home the first is asked.
        if read(&path).is_some_and(|first| is_alive(first.pid)) {
            return Ok(Self(path));
        }
        let mut file = tempfile::NamedTempFile::new_in(home.path())?;
        file.write_all(json!(running).to_string().as_bytes())?;
        file.persist(&path)?;
        Ok(Self(path))
    }
}

impl Drop for ServerFile {
    fn drop(&mut self) {
        // Another server may have come meanwhile.
        if read(&self.0).is_some_and(|running| running.pid == std::process::id()) {
            let _ = fs::remove_file(&self.0);
        }
    }
}

fn is_alive(pid: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed());
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}

fn read(path: &std::path::Path) -> Option<Running> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// What the server of this home answers, if there is one, it works with the same tables, and it answers soon. Whatever
/// keeps it from that is no error: the database is asked then.
pub(crate) async fn ask(deployment: &Deployment, query: &Query) -> Option<Answered> {
    // The server finds what is current.
    if query.filter.states != States::Current {
        return None;
    }
    let identity = deployment.store_identity()?;
    let running = read(&deployment.home.path().join(FILE))?;
    let address: SocketAddr = running.url.strip_prefix("http://")?.parse().ok()?;
    let project = match &query.filter.project {
        // There it means all of them.
        Some(project) if project.as_str() == "*" => return None,
        Some(project) => project.as_str(),
        None => "*",
    };
    let mut server = tokio::time::timeout(ALIVE_WITHIN, async {
        let mut server = Server::connect(address).await?;
        let alive = server.ask(Method::GET, "/healthz", None).await?;
        (alive["store"] == identity.as_str()).then_some(server)
    })
    .await
    .ok()??;
    let question = json!({
        "text": query.text,
        "limit": query.limit,
        "mode": query.mode,
        "project": project,
        "knowledge_types": query.filter.knowledge_types,
        "category": query.filter.category,
        "tags": query.filter.tags,
        "metadata": query.filter.metadata,
        "ranking": query.ranking,
    });
    let answer = server.ask(Method::POST, "/v1/knowledge/query", Some(&question));
    let answer = tokio::time::timeout(ANSWER_WITHIN, answer).await.ok()??;
    serde_json::from_value(answer).ok()
}

/// One connection.
struct Server {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Server {
    async fn connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(Self { address, sender })
    }

    async fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> Option<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .ok()?;
        self.sender.ready().await.ok()?;
        let response = self.sender.send_request(request).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.ok()?;
        serde_json::from_slice(&body.to_bytes()).ok()
    }
}

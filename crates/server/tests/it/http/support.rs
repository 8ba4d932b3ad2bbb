use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent_turbo_knowledge::{Options, Store, session_settings};
use agent_turbo_orchestrator::{NewToken, Orchestrator};
use agent_turbo_server::App;
use agent_turbo_server::http::{Config, router, serve};
use agent_turbo_server::mcp::{HttpLimits, Identity, McpHttp};
use agent_turbo_test_support::{TestDatabase, embedding_client};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::schema::Document;

/// By when everything that is waited for must have happened.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// A server on a database of the test's own. The database goes with it.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) address: SocketAddr,
    document: Arc<Document>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A request before it is sent.
pub(crate) struct Request<'a> {
    fixture: &'a Fixture,
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let database = TestDatabase::migrated().await.unwrap();
        let db = database.connect(session_settings()).await.unwrap();
        let client = embedding_client().await.unwrap();
        let store = Store::open(db.clone(), client, Options::default()).await.unwrap();
        let orchestrator = Orchestrator::new(db);
        let app = App::new(store, orchestrator.clone(), "default");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async move { drop(stopped.await) };
        let mcp =
            McpHttp::new(app.clone(), Identity::default(), HttpLimits::default(), config.stopping.clone());
        let server = serve(listener, router(app, config.clone(), Some(mcp.router())), config, stopped);
        let server = Some(tokio::spawn(server));
        let mut fixture =
            Self { database, orchestrator, address, document: Arc::default(), stop: Some(stop), server };
        let document = fixture.get("/openapi.json").send_unchecked().await;
        fixture.document = Arc::new(Document::new(document.json()));
        fixture
    }

    pub(crate) fn get(&self, target: &str) -> Request<'_> {
        self.request("GET", target)
    }

    pub(crate) fn post(&self, target: &str, body: &Value) -> Request<'_> {
        self.request("POST", target).json(body)
    }

    pub(crate) fn request(&self, method: &'static str, target: &str) -> Request<'_> {
        Request { fixture: self, method, target: target.to_owned(), headers: Vec::new(), body: None }
    }

    /// Sends bytes as they are; what comes back until the server closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // A server that refuses early does not read to the end.
        let _ = stream.write_all(bytes).await;
        Answer::read(&mut stream).await
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn token(&self, projects: &[&str], role: Option<&str>) -> String {
        let new = NewToken {
            name: "test".to_owned(),
            projects: projects.iter().map(|project| (*project).to_owned()).collect(),
            role: role.map(str::to_owned),
            expires_at: None,
        };
        self.orchestrator.create_token(&new).await.unwrap().secret
    }

    /// Begins to stop.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) {
        timeout(SOON, self.server.take().unwrap()).await.expect("the server ends").unwrap();
    }
}

impl Request<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it, and holds what comes back against the document.
    pub(crate) async fn send(self) -> Answer {
        let (document, method, target) =
            (Arc::clone(&self.fixture.document), self.method, self.target.clone());
        let answer = self.send_unchecked().await;
        document.check(method, &target, &answer);
        answer
    }

    /// Sends it, where the document does not say what comes back.
    pub(crate) async fn send_unchecked(self) -> Answer {
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.target).into_bytes();
        if !self.headers.iter().any(|(name, _)| name == "host") {
            bytes.extend(format!("host: {}\r\n", self.fixture.address).as_bytes());
        }
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").as_bytes());
        }
        if let Some(body) = &self.body {
            bytes.extend(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(self.body.unwrap_or_default());
        self.fixture.raw(&bytes).await
    }
}

impl Answer {
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        timeout(SOON, async {
            // A connection that is reset after the answer has said all the same.
            while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {}
        })
        .await
        .expect("the server answers and closes");
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// What was answered, when it went well.
    #[track_caller]
    pub(crate) fn done(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.json()
    }

    /// Checks that it is a problem of this status, which gives nothing away; its body.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["type"].as_str().unwrap().starts_with("urn:agent-turbo:problem:"));
        for secret in ["panicked", "SELECT", "postgres", "/tmp", "src/", "SQLSTATE"] {
            assert!(!self.body.contains(secret), "{secret} is told: {self:?}");
        }
        problem
    }
}

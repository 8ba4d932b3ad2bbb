//! `agent-turbo serve` and `agent-turbo token`: the HTTP API as a program, from its first line to its end.

use agent_turbo_test_support::{Behaviour, Misbehaving};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::timeout;

use crate::support::{Fixture, SOON, THREE};

/// A server, and where it said that it is.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    async fn start(fixture: &Fixture, arguments: &[&str]) -> Self {
        let arguments = [&["serve", "--json"], arguments].concat();
        let mut child = fixture.program().spawn(&arguments);
        let mut document = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while serde_json::from_str::<Value>(&document).is_err() {
            let read =
                timeout(SOON, stdout.read_line(&mut document)).await.expect("it says where it is").unwrap();
            assert!(read > 0, "it ended: {document}");
        }
        let document: Value = serde_json::from_str(&document).unwrap();
        Self { child, url: document["url"].as_str().unwrap().to_owned() }
    }

    async fn ask(&self, head: &str, body: &str) -> (u16, Value) {
        let (status, text) = self.send(head, body).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    async fn text(&self, head: &str) -> String {
        self.send(head, "").await.1
    }

    async fn send(&self, head: &str, body: &str) -> (u16, String) {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "{head}\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(SOON, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Tells it to end, and waits until it has.
    async fn end(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(timeout(SOON, self.child.wait()).await.unwrap().unwrap().code(), Some(0));
    }
}

#[tokio::test]
async fn it_serves_says_where_and_ends_when_told() {
    let fixture = Fixture::new().await;
    let server = Server::start(&fixture, &["--listen", "127.0.0.1:0"]).await;
    let file = fixture.dir.path().join("home/server.json");
    let written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written, json!({ "url": server.url, "pid": server.child.id().unwrap() }));
    let (status, ready) = server.ask("GET /readyz HTTP/1.1", "").await;
    assert_eq!((status, &ready["ready"]), (200, &json!(true)));
    let post = "POST /v1/tasks HTTP/1.1\r\ncontent-type: application/json";
    let (status, task) = server.ask(post, "{\"description\":\"x\"}").await;
    assert_eq!(status, 201);
    let listed = fixture.json(&["task", "list"]).await;
    assert_eq!(listed["tasks"][0]["task_id"], task["task_id"]);
    let taken = server.url.strip_prefix("http://").unwrap();
    fixture.run(&["serve", "--listen", taken]).await.failed(1, &["listen on", taken, "in use"]);
    assert!(file.exists(), "the other one's file stays");
    server.end().await;
    assert!(!file.exists());
}

#[tokio::test]
async fn beyond_loopback_it_wants_a_token_to_exist_and_to_be_shown() {
    let fixture = Fixture::new().await;
    let refused = fixture.run(&["serve", "--listen", "0.0.0.0:0"]).await;
    refused.failed(2, &["other machines", "agent-turbo token create"]);
    fixture.run(&["serve", "--listen", "here"]).await.failed(2, &["\"here\"", "127.0.0.1:8787"]);

    let made = fixture.run(&["token", "create", "laptop", "--project", "ours", "--expires", "1d"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let token = made.stdout.trim();
    assert!(token.starts_with("at_") && !made.stderr.contains(token), "{made:?}");
    let server = Server::start(&fixture, &["--listen", "0.0.0.0:0"]).await;
    let server = Server { url: server.url.replace("0.0.0.0", "127.0.0.1"), ..server };
    assert_eq!(server.ask("GET /v1/tasks HTTP/1.1", "").await.0, 401);
    let with = |token: &str| format!("GET /v1/tasks HTTP/1.1\r\nauthorization: Bearer {token}");
    assert_eq!(server.ask(&with(token), "").await.0, 200);

    let listed = fixture.json(&["token", "list"]).await;
    assert_eq!((&listed[0]["name"], &listed[0]["projects"]), (&json!("laptop"), &json!(["ours"])));
    assert!(listed[0].get("token_hash").is_none() && listed[0].get("secret").is_none());
    let id = listed[0]["token_id"].as_str().unwrap();
    fixture.run(&["token", "revoke", id]).await.done();
    assert_eq!(fixture.run(&["token", "revoke", "0"]).await.code, Some(3));
    assert!(fixture.run(&["token", "list"]).await.done().contains("revoked"));
    crate::support::until("the token opens nothing", async || server.ask(&with(token), "").await.0 == 401)
        .await;
    server.end().await;
}

#[tokio::test]
async fn a_running_server_answers_questions_as_the_database_does() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    let ask = ["query", "database", "--limit", "2", "--json"];
    let alone = fixture.run(&ask).await.json();
    let plain = fixture.run(&["query", "database"]).await;
    let server = Server::start(&fixture, &["--listen", "127.0.0.1:0"]).await;
    let warm = fixture.run(&ask).await.json();
    let same = |answer: &Value| {
        let mut answer = answer.clone();
        answer["elapsed_ms"] = json!(0);
        // Each question is counted.
        for hit in answer["results"].as_array_mut().unwrap() {
            hit["access_count"] = json!(0);
            hit["last_accessed"] = json!(null);
        }
        answer.to_string()
    };
    assert_eq!(same(&alone), same(&warm));
    assert_eq!(fixture.run(&["query", "database"]).await.done(), plain.done());
    let nothing = fixture.run(&["query", "database", "--type", "none"]).await;
    assert_eq!(nothing.done(), "Nothing was found.\n");
    fixture.run(&["query", " "]).await.failed(2, &["the question"]);
    // It was asked.
    let metrics = server.text("GET /metrics HTTP/1.1").await;
    let route = "agent_turbo_http_requests_total{route=\"/v1/knowledge/query\",method=\"POST\",status=";
    assert!(metrics.contains(&format!("{route}\"200\"}} 3")), "{metrics}");
    server.end().await;
    assert_eq!(fixture.run(&["query", "database"]).await.done(), plain.done());
}

#[tokio::test]
async fn a_server_that_is_stale_silent_or_another_ones_is_not_asked() {
    let fixture = Fixture::new().await;
    fixture.add(&THREE).await;
    let plain = fixture.run(&["query", "database"]).await.done().to_owned();
    let home = fixture.dir.path().join("home");
    let write = |url: &str| {
        std::fs::write(home.join("server.json"), json!({ "url": url, "pid": 1 }).to_string()).unwrap();
    };
    let dead = format!("http://127.0.0.1:{}", crate::support::dead_port());
    let other = "{\"status\":\"ok\",\"store\":\"another\",\"version\":\"0\"}".to_owned();
    let silent = Misbehaving::start(Behaviour::Silent).await.unwrap();
    let breaks = Misbehaving::start(Behaviour::Breaks).await.unwrap();
    let other = Misbehaving::start(Behaviour::Answers(200, other)).await.unwrap();
    for url in [&dead, "nonsense", "http://", silent.url(), breaks.url(), other.url()] {
        write(url);
        assert_eq!(fixture.run(&["query", "database"]).await.done(), plain, "{url}");
    }
    assert_eq!((silent.requests(), other.requests()), (1, 1));
    std::fs::write(home.join("server.json"), "{").unwrap();
    assert_eq!(fixture.run(&["query", "database"]).await.done(), plain);

    // A server on another schema of the same database is another one's.
    let server = Server::start(&fixture, &["--listen", "127.0.0.1:0", "--schema", "other"]).await;
    assert_eq!(fixture.run(&["query", "database"]).await.done(), plain);
    server.end().await;
}

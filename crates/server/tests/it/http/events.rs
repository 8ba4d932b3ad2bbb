use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::support::{Fixture, SOON};

/// A stream of events, as a program reads it.
struct Events(BufReader<TcpStream>);

impl Events {
    async fn open(server: &Fixture, target: &str, headers: &str) -> Self {
        let mut stream = server.connect().await;
        let head = format!("GET {target} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", server.address);
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(BufReader::new(stream))
    }

    /// The next event; nothing, when the stream is over.
    async fn next(&mut self) -> Option<(String, Value)> {
        let (mut event, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            if timeout(SOON, self.0.read_line(&mut line)).await.expect("an event").unwrap() == 0 {
                return None;
            }
            if let Some(kind) = line.strip_prefix("event: ") {
                kind.trim().clone_into(&mut event);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((event, serde_json::from_str(data).unwrap()));
            }
        }
    }

    async fn expect(&mut self, kind: &str) -> Value {
        let (event, data) = self.next().await.unwrap();
        assert_eq!(event, kind, "{data}");
        data
    }
}

#[tokio::test]
async fn whoever_listens_is_told_what_happens_in_his_projects() {
    let server = Fixture::new().await;
    let mut all = Events::open(&server, "/v1/events", "").await;
    all.expect("live").await;
    let token = server.token(&["ours"], None).await;
    let mut ours = Events::open(&server, "/v1/events", &format!("authorization: Bearer {token}\r\n")).await;
    ours.expect("live").await;
    let mut again = Events::open(&server, "/v1/events?project=ours", "last-event-id: 7\r\n").await;
    again.expect("live").await;
    again.expect("lost").await;

    server.post("/v1/actions", &json!({ "action_type": "note" })).send().await.done();
    let theirs = json!({ "platform": "claude", "role": "executor" });
    let session = server.post("/v1/sessions", &theirs).send().await.done()["session"]["session_id"].clone();
    let told = all.expect("session").await;
    assert_eq!(
        told,
        json!({ "project": "default", "change": "session_started", "session_id": session, "task_id": null })
    );
    let task = json!({ "description": "x", "project": "ours" });
    let task = server.post("/v1/tasks", &task).send().await.done()["task_id"].clone();
    for events in [&mut all, &mut ours, &mut again] {
        let told = events.expect("task").await;
        assert_eq!((&told["change"], &told["task_id"]), (&json!("task_created"), &task));
    }
    let cancel = format!("/v1/tasks/{}/cancel", task.as_str().unwrap());
    server.post(&cancel, &json!({})).send().await.done();
    assert_eq!(ours.expect("task").await["change"], "task_cancelled");
}

#[tokio::test]
async fn a_connection_that_broke_is_told_as_a_loss_and_streams_end_with_the_server() {
    let mut server = Fixture::new().await;
    let mut events = Events::open(&server, "/v1/events", "").await;
    events.expect("live").await;
    let client = server.database.client().await.unwrap();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND query LIKE 'LISTEN \"agent_turbo_changes\"%'
                   OR datname = current_database() AND pid <> pg_backend_pid()";
    client.execute(kill, &[]).await.unwrap();
    events.expect("lost").await;
    events.expect("live").await;
    server.stop();
    assert_eq!(events.next().await, None);
    server.ended().await;
}

#[tokio::test]
async fn there_are_no_more_streams_than_allowed() {
    let config = agent_turbo_server::http::Config { max_event_streams: 1, ..Default::default() };
    let server = Fixture::with(config).await;
    let mut first = Events::open(&server, "/v1/events", "").await;
    first.expect("live").await;
    server.get("/v1/events").send().await.problem(503);
}

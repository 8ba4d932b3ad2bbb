use std::time::Duration;

use agent_turbo_server::http::Config;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::support::{Answer, Fixture, SOON};

/// Waits until the server closes.
async fn closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(SOON, async { while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {} })
        .await
        .expect("the server closes");
    bytes
}

#[tokio::test]
async fn bytes_that_are_no_http_are_refused_and_the_server_goes_on() {
    let server = Fixture::new().await;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(10_000));
    for bytes in [
        b"\0\0\0\0\r\n\r\n".as_slice(),
        b"HELO mail\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost localhost\r\n\r\n",
        b"POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        let answer = server.raw(bytes).await;
        assert!([0, 400, 414, 431].contains(&answer.status), "{answer:?}");
    }
    server.get("/v1/tasks").send().await.done();
}

#[tokio::test]
async fn heads_that_never_come_are_not_waited_for() {
    let config = Config { head_timeout: Duration::from_millis(200), ..Config::default() };
    let server = Fixture::with(config).await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /v1/tasks HTTP/1.1\r\nhost: lo").await.unwrap();
    let mut kept = server.connect().await;
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    kept.write_all(request.as_bytes()).await.unwrap();
    assert!(closed(&mut kept).await.starts_with(b"HTTP/1.1 200"));
    closed(&mut silent).await;
    closed(&mut slow).await;
}

#[tokio::test]
async fn who_has_said_everything_is_answered() {
    let server = Fixture::new().await;
    let mut stream = server.connect().await;
    let request = format!("GET /v1/tasks HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 200);
}

#[tokio::test]
async fn idle_connections_make_room_for_those_that_ask() {
    let server = Fixture::with(Config { max_connections: 20, ..Config::default() }).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(server.connect().await);
    }
    server.get("/v1/tasks").send().await.done();
    let open = idle.iter().filter(|stream| {
        let mut byte = [0];
        matches!(stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    });
    assert!(open.count() <= 20, "the bound is kept");
}

#[tokio::test]
async fn what_was_begun_is_answered_before_the_server_ends() {
    let mut server = Fixture::new().await;
    let mut stream = server.connect().await;
    let body = json!({ "description": "the last one" }).to_string();
    let head = format!(
        "POST /v1/tasks HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        server.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The request is being read: the metrics count it.
    loop {
        let metrics = server.get("/metrics").send().await.body;
        if metrics.contains("agent_turbo_http_requests_in_flight 2") {
            break;
        }
    }
    let idle = server.connect().await;
    server.stop();
    // Whoever waits to be told learns it by the end of an idle connection.
    closed(&mut { idle }).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let answer = Answer::read(&mut stream).await;
    assert_eq!((answer.status, answer.json()["task_description"].clone()), (201, json!("the last one")));
    let address = server.address;
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

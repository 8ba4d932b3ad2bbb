//! Stopping.

use std::time::Duration;

use agent_turbo_embedder::{EngineOptions, Limits};
use hyper::StatusCode;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::engine::long_texts;
use crate::server::{Server, new_engine, shared_engine};

#[tokio::test]
async fn shutdown_answers_what_was_accepted_and_accepts_nothing_new() {
    let server = Server::start(new_engine(EngineOptions::default()), Limits::default()).await;
    let address = server.address;
    let accepted = tokio::spawn(server.post("/batch", &json!({"texts": long_texts(24)})));
    server.wait_for_queue().await;
    let done = server.stop();
    let accepted = accepted.await.unwrap();
    assert_eq!(accepted.status, StatusCode::OK);
    let answer = accepted.json();
    assert_eq!(answer["embeddings"].as_array().unwrap().len(), 24);
    assert!(answer["embeddings"].as_array().unwrap().iter().all(|item| item["embedding"].is_array()));
    done.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_client_that_hangs() {
    let limits = Limits { shutdown_timeout: Duration::from_millis(50), ..Limits::default() };
    let server = Server::start(shared_engine(), limits).await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    connection.write_all(head.as_bytes()).await.unwrap();
    // The server has seen the connection once it answers a later one.
    assert_eq!(server.get("/health").await.status, StatusCode::OK);
    tokio::time::timeout(Duration::from_secs(10), server.stop()).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn dropping_the_last_engine_ends_its_thread() {
    let engine = new_engine(EngineOptions::default());
    let clone = engine.clone();
    drop(engine);
    assert!(clone.is_alive());
    assert!(clone.embed(vec!["still there".to_owned()]).await.unwrap()[0].is_ok());
    // Joins the thread: returning at all is the promise.
    drop(clone);
}

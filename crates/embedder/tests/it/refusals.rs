//! Every bad input gets a status and a reason, as JSON.

use std::time::Duration;

use agent_turbo_embedder::Limits;
use hyper::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Server, shared_engine};

const POSTS: [&str; 3] = ["/embed", "/batch", "/v1/embeddings"];

async fn refused(server: &Server, method: Method, path: &str, body: &str, status: StatusCode) -> String {
    let response = server.request(method.clone(), path, body.to_owned()).await;
    assert_eq!(response.status, status, "{method} {path} {body}");
    assert_eq!(response.headers["content-type"], "application/json");
    let error = &response.json()["error"];
    let message = if path == "/v1/embeddings" && status != StatusCode::METHOD_NOT_ALLOWED {
        let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
        assert_eq!(error["type"], kind, "{error}");
        &error["message"]
    } else {
        error
    };
    let message = message.as_str().unwrap().to_owned();
    assert!(!message.is_empty());
    message
}

#[tokio::test]
async fn malformed_json_is_a_bad_request() {
    let server = Server::shared().await;
    for path in POSTS {
        for body in ["", "{", "{\"text\": \"x\"", "not json", "\u{0}"] {
            refused(&server, Method::POST, path, body, StatusCode::BAD_REQUEST).await;
        }
    }
    refused(&server, Method::POST, "/embed", r#"{"text":"\ud800"}"#, StatusCode::BAD_REQUEST).await;
    let invalid_utf8 = server.request(Method::POST, "/embed", &b"{\"text\":\"\xff\"}"[..]).await;
    assert_eq!(invalid_utf8.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn json_of_another_shape_is_unprocessable() {
    let server = Server::shared().await;
    for path in POSTS {
        for body in ["{}", "[]", "null", "7", "{\"text\":7,\"texts\":7,\"input\":7}"] {
            refused(&server, Method::POST, path, body, StatusCode::UNPROCESSABLE_ENTITY).await;
        }
    }
}

#[tokio::test]
async fn empty_text_is_unprocessable() {
    let server = Server::shared().await;
    for text in ["", " ", "\n\t\u{3000}\u{a0}"] {
        let body = json!({"text": text, "input": text}).to_string();
        refused(&server, Method::POST, "/embed", &body, StatusCode::UNPROCESSABLE_ENTITY).await;
        refused(&server, Method::POST, "/v1/embeddings", &body, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
}

#[tokio::test]
async fn control_characters_are_text_like_any_other() {
    let server = Server::shared().await;
    for text in ["a\u{0}b", "\u{0}", "\u{202e}\u{200b}", "\u{10ffff}"] {
        let response = server.post("/embed", &json!({ "text": text })).await;
        assert_eq!(response.status, StatusCode::OK, "{text:?}");
    }
}

#[tokio::test]
async fn what_exceeds_a_limit_is_too_large() {
    let limits = Limits { max_body_bytes: 1000, max_texts: 3, max_text_bytes: 100, ..Limits::default() };
    let server = Server::start(shared_engine(), limits).await;
    let large = StatusCode::PAYLOAD_TOO_LARGE;
    let body = json!({"text": "x".repeat(1000)}).to_string();
    let message = refused(&server, Method::POST, "/embed", &body, large).await;
    assert!(message.contains("1000 bytes"), "{message}");
    refused(&server, Method::POST, "/v1/embeddings", &body, large).await;
    let body = json!({"text": "x".repeat(101), "input": ["x".repeat(101)]}).to_string();
    refused(&server, Method::POST, "/embed", &body, large).await;
    refused(&server, Method::POST, "/v1/embeddings", &body, large).await;
    let body = json!({"texts": ["a", "b", "c", "d"], "input": ["a", "b", "c", "d"]}).to_string();
    refused(&server, Method::POST, "/batch", &body, large).await;
    refused(&server, Method::POST, "/v1/embeddings", &body, large).await;
    assert_eq!(server.post("/batch", &json!({"texts": ["a", "b", "c"]})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn openai_options_that_cannot_be_met_are_refused() {
    let server = Server::shared().await;
    for (body, status) in [
        (json!({"input": "a", "dimensions": 128}), StatusCode::BAD_REQUEST),
        (json!({"input": []}), StatusCode::BAD_REQUEST),
        (json!({"input": ["a", ""]}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"input": [[1, 2]]}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"input": "a", "encoding_format": "int8"}), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        refused(&server, Method::POST, "/v1/embeddings", &body.to_string(), status).await;
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_named_as_such() {
    let server = Server::shared().await;
    refused(&server, Method::GET, "/nothing", "", StatusCode::NOT_FOUND).await;
    refused(&server, Method::POST, "/", "{}", StatusCode::NOT_FOUND).await;
    for path in POSTS {
        refused(&server, Method::GET, path, "", StatusCode::METHOD_NOT_ALLOWED).await;
    }
    for path in ["/health", "/stats", "/metrics"] {
        refused(&server, Method::DELETE, path, "", StatusCode::METHOD_NOT_ALLOWED).await;
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let limits = Limits { body_timeout: Duration::from_millis(20), ..Limits::default() };
    let server = Server::start(shared_engine(), limits).await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

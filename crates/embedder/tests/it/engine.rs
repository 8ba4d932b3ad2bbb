//! Many clients at once.

use agent_turbo_embedder::{EngineOptions, Error, Limits};
use futures_util::future::join_all;
use hyper::StatusCode;
use serde_json::json;

use crate::model_folder::model;
use crate::server::{Response, Server, new_engine};

/// Distinct texts that fill the model's limit.
pub(crate) fn long_texts(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{index} {}", "word ".repeat(300))).collect()
}

#[tokio::test]
async fn concurrent_requests_share_batches_and_get_their_own_vectors() {
    let server = Server::start(new_engine(EngineOptions::default()), Limits::default()).await;
    let texts: Vec<String> =
        (0..96).map(|index| format!("{} {index}", "padding ".repeat(index % 7))).collect();
    let requests = texts.iter().map(|text| server.post("/embed", &json!({ "text": text })));
    let responses = join_all(requests).await;
    let expected = model().embed(&texts).unwrap();
    for (response, expected) in responses.iter().zip(&expected) {
        assert_eq!(response.status, StatusCode::OK);
        assert_eq!(Response::vector(&response.json()), expected.vector);
    }
    let stats = server.engine.stats();
    assert_eq!((stats.requests, stats.batched_texts), (96, 96));
    assert!(stats.mean_batch_size > 1.0, "{stats:?}");
}

#[tokio::test]
async fn a_short_request_overtakes_a_large_batch() {
    let server = Server::start(new_engine(EngineOptions::default()), Limits::default()).await;
    let engine = server.engine.clone();
    let large = tokio::spawn(async move { engine.embed(long_texts(40)).await });
    server.wait_for_queue().await;
    let short = server.engine.embed(vec!["short".to_owned()]).await.unwrap();
    assert!(short[0].is_ok());
    assert!(!large.is_finished(), "the short request waited for the whole batch");
    assert!(large.await.unwrap().unwrap().iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_full_queue_refuses_and_recovers() {
    let options = EngineOptions { max_queued_tokens: 1, ..EngineOptions::default() };
    let server = Server::start(new_engine(options), Limits::default()).await;
    // A request is taken whatever its size when nothing waits: it could never be taken otherwise.
    let large = tokio::spawn(server.post("/batch", &json!({"texts": long_texts(48)})));
    server.wait_for_queue().await;
    for (path, body) in [
        ("/embed", json!({"text": "x"})),
        ("/batch", json!({"texts": ["x"]})),
        ("/v1/embeddings", json!({"input": "x"})),
    ] {
        let refused = server.post(path, &body).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    }
    let large = large.await.unwrap();
    assert_eq!(large.status, StatusCode::OK);
    assert!(large.json()["embeddings"].as_array().unwrap().iter().all(|item| item["embedding"].is_array()));
    assert_eq!(server.post("/embed", &json!({"text": "x"})).await.status, StatusCode::OK);
    assert_eq!(server.engine.stats().rejected_requests, 3);
}

#[tokio::test]
async fn work_that_nobody_waits_for_is_dropped() {
    let server = Server::start(new_engine(EngineOptions::default()), Limits::default()).await;
    let engine = server.engine.clone();
    let abandoned = tokio::spawn(async move { engine.embed(long_texts(40)).await });
    server.wait_for_queue().await;
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    server.engine.embed(vec!["next".to_owned()]).await.unwrap();
    let stats = server.engine.stats();
    assert_eq!(stats.queue_depth, 0);
    assert!(stats.batched_texts < 41, "{stats:?}");
}

#[tokio::test]
async fn each_text_of_a_call_has_its_own_result() {
    let engine = crate::server::shared_engine();
    let texts = ["good", "", "also good"].map(str::to_owned).to_vec();
    let results = engine.embed(texts).await.unwrap();
    assert!(matches!(results.as_slice(), [Ok(_), Err(Error::EmptyText), Ok(_)]), "{results:?}");
    assert!(engine.embed(Vec::new()).await.unwrap().is_empty());
}

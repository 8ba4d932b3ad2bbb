//! The shape of every answer.

use agent_turbo_embedder::{EngineOptions, Limits};
use base64::Engine as _;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::model_folder::model;
use crate::server::{Response, Server, new_engine};

fn expected(text: &str) -> Vec<f32> {
    model().embed(&[text]).unwrap().remove(0).vector
}

#[tokio::test]
async fn health_says_what_runs() {
    let server = Server::shared().await;
    let response = server.get("/health").await;
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(
        response.json(),
        json!({
            "status": "healthy",
            "metal_available": false,
            "model_loaded": true,
            "embedding_model": "all-MiniLM-L6-v2",
            "embedding_dim": 384,
            "max_tokens": 256,
            "device": "cpu",
            "version": env!("CARGO_PKG_VERSION"),
        })
    );
}

#[tokio::test]
async fn embed_gives_the_models_vector_and_remembers_it() {
    let server = Server::start(new_engine(EngineOptions::default()), Limits::default()).await;
    let body = json!({"text": "PostgreSQL is a powerful database"});
    for cached in [false, true] {
        let response = server.post("/embed", &body).await;
        assert_eq!(response.status, StatusCode::OK);
        let answer = response.json();
        assert_eq!(Response::vector(&answer), expected("PostgreSQL is a powerful database"));
        assert_eq!(answer["model"], "all-MiniLM-L6-v2");
        assert_eq!(answer["dimensions"], 384);
        assert_eq!(answer["cached"], cached);
        assert_eq!(answer["tokens"], 11);
        assert_eq!(answer["truncated"], false);
    }
}

#[tokio::test]
async fn without_a_cache_nothing_is_called_cached() {
    let options = EngineOptions { cache_bytes: 0, ..EngineOptions::default() };
    let server = Server::start(new_engine(options), Limits::default()).await;
    for _ in 0..3 {
        let answer = server.post("/embed", &json!({"text": "again"})).await.json();
        assert_eq!(answer["cached"], false);
    }
}

#[tokio::test]
async fn embed_says_that_it_cut_a_long_text() {
    let server = Server::shared().await;
    let answer = server.post("/embed", &json!({"text": "word ".repeat(100_000)})).await.json();
    assert_eq!(answer["truncated"], true);
    assert_eq!(answer["tokens"], 256);
    assert_eq!(Response::vector(&answer), expected(&"word ".repeat(254)));
}

#[tokio::test]
async fn batch_keeps_order_and_puts_errors_in_their_places() {
    let limits = Limits { max_text_bytes: 50, ..Limits::default() };
    let server = Server::start(crate::server::shared_engine(), limits).await;
    let texts = json!(["first", "", "second", " \n\t", 7, null, ["x"], "x".repeat(51), "first"]);
    let response = server.post("/batch", &json!({ "texts": texts })).await;
    assert_eq!(response.status, StatusCode::OK);
    let answer = response.json();
    assert_eq!(answer["model"], "all-MiniLM-L6-v2");
    assert_eq!(answer["dimensions"], 384);
    let items = answer["embeddings"].as_array().unwrap();
    assert_eq!(items.len(), 9);
    for (index, item) in items.iter().enumerate() {
        if let Some(text @ ("first" | "second")) = texts[index].as_str() {
            assert_eq!(Response::vector(item), expected(text));
            assert_eq!(item.get("error"), None);
        } else {
            assert!(!item["error"].as_str().unwrap().is_empty(), "{item}");
            assert_eq!(item.get("embedding"), None);
        }
    }
    assert!(items[1]["error"].as_str().unwrap().contains("empty"));
    assert!(items[7]["error"].as_str().unwrap().contains("51 bytes"));
}

#[tokio::test]
async fn an_empty_batch_has_an_empty_answer() {
    let server = Server::shared().await;
    let response = server.post("/batch", &json!({"texts": []})).await;
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.json()["embeddings"], json!([]));
}

#[tokio::test]
async fn openai_clients_get_their_shape() {
    let server = Server::shared().await;
    let one = server.post("/v1/embeddings", &json!({"input": "first", "model": "any"})).await;
    assert_eq!(one.status, StatusCode::OK);
    let one = one.json();
    assert_eq!(one["object"], "list");
    assert_eq!(one["model"], "any");
    assert_eq!(one["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
    assert_eq!(one["data"].as_array().unwrap().len(), 1);
    assert_eq!(Response::vector(&one["data"][0]), expected("first"));

    let body = json!({"input": ["first", "second"], "encoding_format": "base64", "dimensions": 384});
    let many = server.post("/v1/embeddings", &body).await.json();
    assert_eq!(many["model"], "all-MiniLM-L6-v2");
    for (index, text) in ["first", "second"].into_iter().enumerate() {
        let item = &many["data"][index];
        assert_eq!((&item["object"], &item["index"]), (&json!("embedding"), &json!(index)));
        let encoded = item["embedding"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        let vector: Vec<f32> = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        assert_eq!(vector, expected(text));
    }
}

#[tokio::test]
async fn stats_and_metrics_count_what_happened() {
    let server = Server::start(new_engine(EngineOptions::default()), Limits::default()).await;
    server.post("/embed", &json!({"text": "one"})).await;
    server.post("/embed", &json!({"text": "one"})).await;
    server.post("/batch", &json!({"texts": ["two", "", "word ".repeat(300)]})).await;

    let stats = server.get("/stats").await.json();
    for (name, value) in [
        ("requests", 3),
        ("rejected_requests", 0),
        ("texts", 5),
        ("failed_texts", 1),
        ("truncated_texts", 1),
        ("cache_hits", 1),
        ("cache_entries", 3),
        ("tokens", 3 + 3 + 256),
        ("batched_texts", 3),
        ("queue_depth", 0),
        ("queued_tokens", 0),
    ] {
        assert_eq!(stats[name], value, "{name} in {stats}");
    }
    let batches = stats["batches"].as_f64().unwrap();
    assert!((stats["mean_batch_size"].as_f64().unwrap() - 3.0 / batches).abs() < 1e-9);
    assert!(stats["uptime_seconds"].as_f64().unwrap() > 0.0);
    let latency = &stats["latency_ms"];
    let [p50, p95, p99] = ["p50", "p95", "p99"].map(|name| latency[name].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p95 && p95 <= p99 && latency["mean"].as_f64().unwrap() > 0.0, "{latency}");

    let metrics = server.get("/metrics").await;
    assert!(metrics.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    let value = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).split(' ').nth(1).unwrap().parse().unwrap()
    };
    assert!((value("agent_turbo_embedder_texts_total") - 5.0).abs() < 1e-9);
    assert!((value("agent_turbo_embedder_request_seconds_count") - 3.0).abs() < 1e-9);
    assert!(value("agent_turbo_embedder_request_seconds{quantile=\"0.99\"}") > 0.0);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let number = line.rsplit(' ').next().unwrap();
        assert!(number.parse::<f64>().unwrap().is_finite(), "{line}");
    }
}

#[tokio::test]
async fn floats_are_as_short_as_they_can_be() {
    let server = Server::shared().await;
    let response = server.post("/embed", &json!({"text": "short"})).await;
    let answer: Value = response.json();
    assert_eq!(answer["embedding"].as_array().unwrap().len(), 384);
    // A 32-bit float has at most nine significant digits; the same written as a double would have 17.
    assert!(response.body.len() < 384 * 14 + 200, "{} bytes", response.body.len());
}

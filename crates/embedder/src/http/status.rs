//! `GET /health`, `GET /stats` and `GET /metrics`.

use std::fmt::Write;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Service;
use crate::model::Model;
use crate::stats::Stats;

/// Whether the service can embed, and with what.
pub(super) async fn health(State(service): State<Service>) -> Response {
    let model = service.engine.model();
    let alive = service.engine.is_alive();
    let body = json!({
        "status": if alive { "healthy" } else { "unhealthy" },
        "metal_available": Model::metal_available(),
        "model_loaded": true,
        "embedding_model": model.name(),
        "embedding_dim": model.dimensions(),
        "max_tokens": model.max_tokens(),
        "device": model.device(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    let status = if alive { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

/// The engine's counters as JSON.
pub(super) async fn stats(State(service): State<Service>) -> Json<Stats> {
    Json(service.engine.stats())
}

/// The engine's counters in Prometheus' text format
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
pub(super) async fn metrics(State(service): State<Service>) -> Response {
    let text = render(&service.engine.stats());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn render(stats: &Stats) -> String {
    let metrics: [(&str, &str, &str, f64); 14] = [
        ("requests_total", "counter", "requests answered", stats.requests as f64),
        ("rejected_requests_total", "counter", "requests refused", stats.rejected_requests as f64),
        ("texts_total", "counter", "texts in answered requests", stats.texts as f64),
        ("failed_texts_total", "counter", "texts that got an error", stats.failed_texts as f64),
        ("truncated_texts_total", "counter", "texts cut at the model's limit", stats.truncated_texts as f64),
        ("cache_hits_total", "counter", "texts found in the cache", stats.cache_hits as f64),
        ("tokens_total", "counter", "tokens through the model", stats.tokens as f64),
        ("batches_total", "counter", "batches through the model", stats.batches as f64),
        ("batched_texts_total", "counter", "texts through the model", stats.batched_texts as f64),
        ("mean_batch_size", "gauge", "texts per batch", stats.mean_batch_size),
        ("cache_entries", "gauge", "vectors in the cache", stats.cache_entries as f64),
        ("queue_depth", "gauge", "texts waiting for the model", stats.queue_depth as f64),
        ("queued_tokens", "gauge", "tokens waiting for the model", stats.queued_tokens as f64),
        ("uptime_seconds", "gauge", "age of the engine", stats.uptime_seconds),
    ];
    let mut text = String::new();
    for (name, kind, help, value) in metrics {
        let name = format!("agent_turbo_embedder_{name}");
        // Writing to a String cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
    let name = "agent_turbo_embedder_request_seconds";
    let latency = stats.latency_ms;
    let _ = write!(text, "# HELP {name} time from arrival to answer\n# TYPE {name} summary\n");
    for (quantile, ms) in [("0.5", latency.p50), ("0.95", latency.p95), ("0.99", latency.p99)] {
        let _ = writeln!(text, "{name}{{quantile=\"{quantile}\"}} {}", ms / 1e3);
    }
    let sum = latency.mean * stats.requests as f64 / 1e3;
    let _ = write!(text, "{name}_sum {sum}\n{name}_count {}\n", stats.requests);
    text
}

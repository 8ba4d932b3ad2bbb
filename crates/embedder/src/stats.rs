//! What the engine counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::engine::Embedded;
use crate::error::Result;
use crate::histogram::Histogram;
use crate::tokenizer::Tokens;

/// A snapshot of the engine's counters since its start.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Requests that were answered.
    pub requests: u64,
    /// Requests that were refused because too much was waiting.
    pub rejected_requests: u64,
    /// Texts in answered requests.
    pub texts: u64,
    /// Texts among them that got an error.
    pub failed_texts: u64,
    /// Texts whose end was cut off at the model's limit.
    pub truncated_texts: u64,
    /// Texts that were found in the cache.
    pub cache_hits: u64,
    /// Vectors in the cache.
    pub cache_entries: u64,
    /// Tokens that went through the model.
    pub tokens: u64,
    /// Batches that went through the model.
    pub batches: u64,
    /// Texts that went through the model.
    pub batched_texts: u64,
    /// Texts per batch.
    pub mean_batch_size: f64,
    /// Texts that wait for the model.
    pub queue_depth: usize,
    /// Tokens that wait for the model.
    pub queued_tokens: usize,
    /// Age of the engine in seconds.
    pub uptime_seconds: f64,
    /// Time from a request's arrival in the engine to its answer.
    pub latency_ms: Latency,
}

/// Latencies in milliseconds; percentiles are exact to 10 %.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Latency {
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

/// The counters themselves.
pub(crate) struct Counters {
    started: Instant,
    requests: AtomicU64,
    rejected_requests: AtomicU64,
    texts: AtomicU64,
    failed_texts: AtomicU64,
    truncated_texts: AtomicU64,
    cache_hits: AtomicU64,
    tokens: AtomicU64,
    batches: AtomicU64,
    batched_texts: AtomicU64,
    latency: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            requests: AtomicU64::default(),
            rejected_requests: AtomicU64::default(),
            texts: AtomicU64::default(),
            failed_texts: AtomicU64::default(),
            truncated_texts: AtomicU64::default(),
            cache_hits: AtomicU64::default(),
            tokens: AtomicU64::default(),
            batches: AtomicU64::default(),
            batched_texts: AtomicU64::default(),
            latency: Histogram::default(),
        }
    }
}

impl Counters {
    pub(crate) fn request_done(&self, latency: Duration, results: &[Result<Embedded>]) {
        let count =
            |f: fn(&Result<Embedded>) -> bool| results.iter().filter(|result| f(result)).count() as u64;
        self.requests.fetch_add(1, Relaxed);
        self.texts.fetch_add(results.len() as u64, Relaxed);
        self.failed_texts.fetch_add(count(Result::is_err), Relaxed);
        self.truncated_texts
            .fetch_add(count(|result| result.as_ref().is_ok_and(|text| text.embedding.truncated)), Relaxed);
        self.cache_hits.fetch_add(count(|result| result.as_ref().is_ok_and(|text| text.cached)), Relaxed);
        self.latency.record(latency);
    }

    pub(crate) fn request_rejected(&self) {
        self.rejected_requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn batch_started(&self, texts: &[&Tokens]) {
        self.batches.fetch_add(1, Relaxed);
        self.batched_texts.fetch_add(texts.len() as u64, Relaxed);
        self.tokens.fetch_add(texts.iter().map(|tokens| tokens.len() as u64).sum(), Relaxed);
    }

    pub(crate) fn snapshot(&self, queue_depth: usize, queued_tokens: usize, cache_entries: u64) -> Stats {
        let batches = self.batches.load(Relaxed);
        let batched_texts = self.batched_texts.load(Relaxed);
        Stats {
            requests: self.requests.load(Relaxed),
            rejected_requests: self.rejected_requests.load(Relaxed),
            texts: self.texts.load(Relaxed),
            failed_texts: self.failed_texts.load(Relaxed),
            truncated_texts: self.truncated_texts.load(Relaxed),
            cache_hits: self.cache_hits.load(Relaxed),
            cache_entries,
            tokens: self.tokens.load(Relaxed),
            batches,
            batched_texts,
            mean_batch_size: if batches == 0 { 0.0 } else { batched_texts as f64 / batches as f64 },
            queue_depth,
            queued_tokens,
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            latency_ms: Latency {
                mean: self.latency.mean_ms(),
                p50: self.latency.percentile_ms(0.50),
                p95: self.latency.percentile_ms(0.95),
                p99: self.latency.percentile_ms(0.99),
            },
        }
    }
}

//! The engine behind HTTP: adapters only.

mod body;
mod embed;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod openai;
mod status;

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::error::ApiError;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Bounds on what clients may send, and on how long they may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of a request's body.
    pub max_body_bytes: usize,
    /// Texts in one request.
    pub max_texts: usize,
    /// Size of one text. What exceeds the model's own limit in tokens is truncated, not refused.
    pub max_text_bytes: usize,
    /// Time for a request's body to arrive.
    pub body_timeout: Duration,
    /// Time for open requests to be answered after the shutdown signal.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 16 << 20,
            max_texts: 1024,
            max_text_bytes: 1 << 20,
            body_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

/// What handlers share.
#[derive(Clone)]
struct Service {
    engine: Engine,
    limits: Limits,
}

/// Serves `engine` on `listener` until `shutdown` completes; then accepts nothing new, answers what is open and
/// returns. Fails if the listener does.
///
/// Routes: `GET /health`, `POST /embed`, `POST /batch`, `POST /v1/embeddings`, `GET /stats`, `GET /metrics`.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let grace = limits.shutdown_timeout;
    let listener = listener.tap_io(|connection| {
        // Answers are small and waited for; the system's default would hold them back to fill packets.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "nodelay refused");
        }
    });
    let (stopping, stopped) = oneshot::channel();
    let server =
        axum::serve(listener, router(Service { engine, limits })).with_graceful_shutdown(async move {
            shutdown.await;
            tracing::info!("shutting down");
            let _ = stopping.send(());
        });
    let overdue = async {
        match stopped.await {
            Ok(()) => tokio::time::sleep(grace).await,
            // The server ended by itself, and its result is what counts.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = server => result.map_err(Error::Serve),
        () = overdue => {
            tracing::warn!(grace_seconds = grace.as_secs(), "requests abandoned at shutdown");
            Ok(())
        }
    }
}

fn router(service: Service) -> Router {
    let max_body_bytes = service.limits.max_body_bytes;
    Router::new()
        .route("/health", get(status::health))
        .route("/stats", get(status::stats))
        .route("/metrics", get(status::metrics))
        .route("/embed", post(embed::embed))
        .route("/batch", post(embed::batch))
        .route("/v1/embeddings", post(openai::embeddings))
        .fallback(async || ApiError::not_found())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(DefaultBodyLimit::max(max_body_bytes))
        .with_state(service)
}

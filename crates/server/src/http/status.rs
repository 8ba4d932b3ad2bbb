use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::{json, ok};
use super::problem::{Problem, Problems};
use super::state::State;

/// That the process lives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    /// Always `ok`.
    status: &'static str,
    /// What tells this store from others: the same for every program that works with it by the same settings.
    store: String,
    /// The program's version.
    version: &'static str,
}

/// Whether requests can be answered.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "it is what is sent")]
pub(super) struct Readiness {
    /// Whether they all can be.
    ready: bool,
    /// Whether the database answers.
    database: bool,
    /// Whether the embedding service answers. Without it questions are answered by words alone.
    embedding: bool,
    /// Whether the server takes new requests.
    stopping: bool,
}

/// Whether the process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "server",
    responses(Problems, (status = 200, description = "It does.", body = Alive))
)]
pub(super) async fn healthz(axum::extract::State(shared): State) -> Result<Response, Problem> {
    ok(&Alive {
        status: "ok",
        store: shared.config.store_identity.clone(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Whether requests can be answered: the database and the embedding service answer.
#[utoipa::path(
    get, path = "/readyz", tag = "server",
    responses(
        (status = 200, description = "They can.", body = Readiness),
        (status = 503, description = "Some cannot.", body = Readiness)
    )
)]
pub(super) async fn readyz(axum::extract::State(shared): State) -> Result<Response, Problem> {
    let app = &shared.app;
    let (database, embedding) = tokio::join!(app.orchestrator.has_tokens(), app.store.can_embed());
    let stopping = shared.config.stopping.is_cancelled();
    let (database, embedding) = (database.is_ok(), embedding);
    let ready = database && embedding && !stopping;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &Readiness { ready, database, embedding, stopping })
}

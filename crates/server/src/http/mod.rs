//! The HTTP API: `/v1`, its description, probes, and what keeps it safe.
//!
//! [`router`] answers requests, [`serve`] looks after connections. Everything passes [`guard`](guard::guard) first.

#![expect(unused_qualifications, reason = "utoipa's derives write them")]

mod action;
mod auth;
mod config;
mod cursor;
mod docs;
mod events;
mod extract;
mod guard;
mod host;
mod idempotency;
mod knowledge;
mod machine;
mod metrics;
mod page;
mod plan;
mod problem;
mod schema;
mod see;
mod serve;
mod session;
mod state;
mod status;
mod task;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use config::Config;
pub use serve::serve;

use self::problem::Problem;
use self::state::Shared;
use crate::App;

/// Everything that can be asked over HTTP, with `mcp` below `/mcp`.
pub fn router(app: App, config: Config, mcp: Option<Router>) -> Router {
    let shared = Arc::new(Shared::new(app, config));
    let (described, document) = described().split_for_parts();
    let json = document.to_json().unwrap_or_default();
    // Once for each server; handlers have it for as long as it lives.
    let json: &'static str = Box::leak(json.into_boxed_str());
    let mut router = described
        .route("/openapi.json", get(async move || docs::document(json)))
        .route("/docs", get(docs::page))
        .with_state(Arc::clone(&shared));
    if let Some(mcp) = mcp {
        router = router.nest("/mcp", mcp);
    }
    router
        .fallback(async || Problem::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            let detail = "there is something at this path, and it does not know this method";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
        })
        .layer(from_fn_with_state(shared, guard::guard))
}

/// The operations, each with its description.
fn described() -> OpenApiRouter<Arc<Shared>> {
    let v1 = OpenApiRouter::new()
        .routes(routes!(knowledge::add, knowledge::list))
        .routes(routes!(knowledge::add_batch))
        .routes(routes!(knowledge::query))
        .routes(routes!(knowledge::stats))
        .routes(routes!(knowledge::get, knowledge::update, knowledge::delete))
        .routes(routes!(session::start, session::list))
        .routes(routes!(session::get))
        .routes(routes!(session::touch))
        .routes(routes!(session::end))
        .routes(routes!(session::resume))
        .routes(routes!(session::history))
        .routes(routes!(session::summary))
        .routes(routes!(session::stored_context))
        .routes(routes!(session::context))
        .routes(routes!(task::create, task::list))
        .routes(routes!(task::create_graph))
        .routes(routes!(task::claim))
        .routes(routes!(task::get))
        .routes(routes!(task::why))
        .routes(routes!(task::heartbeat))
        .routes(routes!(task::complete))
        .routes(routes!(task::fail))
        .routes(routes!(task::release))
        .routes(routes!(task::block))
        .routes(routes!(task::unblock))
        .routes(routes!(task::cancel))
        .routes(routes!(task::retry))
        .routes(routes!(task::review))
        .routes(routes!(action::log, action::list))
        .routes(routes!(action::log_batch))
        .routes(routes!(action::verify))
        .routes(routes!(action::get))
        .routes(routes!(plan::load))
        .routes(routes!(plan::check))
        .routes(routes!(machine::nodes))
        .routes(routes!(machine::node, machine::register_node, machine::remove_node))
        .routes(routes!(machine::services, machine::register_service))
        .routes(routes!(machine::remove_service))
        .routes(routes!(events::events));
    OpenApiRouter::with_openapi(docs::Document::openapi())
        .nest("/v1", v1)
        .routes(routes!(status::healthz))
        .routes(routes!(status::readyz))
        .routes(routes!(metrics::metrics))
}

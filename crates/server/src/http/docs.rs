//! What can be asked, for programs and for people.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use super::problem::{Problem, WrongMember};

/// What is not said by any single operation.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Agent Turbo",
        description = "The memory and the coordination of several AI coding agents.",
    ),
    components(schemas(Problem, WrongMember)),
    security((), ("token" = [])),
    modifiers(&Token)
)]
pub(super) struct Document;

struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", scheme);
    }
}

/// A page of ours, which needs nothing from anywhere else.
const PAGE: &str = include_str!("docs.html");
/// It may run its own script and ask its own server.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) async fn page() -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)], PAGE).into_response()
}

pub(super) fn document(json: &'static str) -> Response {
    ([(CONTENT_TYPE, "application/json")], json).into_response()
}

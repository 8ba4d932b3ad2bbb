//! What every request passes, whatever it asks.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONTENT_LENGTH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::host::Origin;
use super::problem::Problem;
use super::state::{Shared, State};
use super::{auth, idempotency};
use crate::caller::Caller;

/// What needs no token, as it shows nothing: probes and the description of the interface.
const PUBLIC: [&str; 4] = ["/healthz", "/readyz", "/docs", "/openapi.json"];

/// Host, origin, token, body, key and time limit, in this order; a panic becomes a problem.
pub(super) async fn guard(axum::extract::State(shared): State, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    shared.metrics.begin();
    let mut response = match AssertUnwindSafe(pass(&shared, request, next)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.into_response(),
        Err(_) => {
            tracing::error!(route, "server.panicked");
            Problem::internal().into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let took = started.elapsed();
    let status = response.status();
    shared.metrics.end(route.as_deref(), &method, status, took);
    tracing::debug!(%method, route, status = status.as_u16(), ?took, "server.answered");
    response
}

async fn pass(shared: &Arc<Shared>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut head, body) = request.into_parts();
    let host = shared.names.check_host(&head)?;
    let origin = shared.names.check_origin(&head, host.as_ref())?;
    if let Origin::Allowed(origin) = &origin
        && head.method == Method::OPTIONS
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    {
        return Ok(allowed(StatusCode::NO_CONTENT.into_response(), origin));
    }
    let answer = async {
        let path = head.uri.path();
        let caller =
            if PUBLIC.contains(&path) { Caller::unrestricted() } else { auth::caller(shared, &head).await? };
        head.extensions.insert(caller.clone());
        let body = read(shared, &head, body).await?;
        let is_api = path.starts_with("/v1/");
        let request = Request::from_parts(head, Body::from(body));
        if !is_api {
            // Whoever answers there has limits of his own.
            return Ok(next.run(request).await);
        }
        let limit = shared.config.request_timeout;
        tokio::time::timeout(limit, idempotency::once(shared, &caller, request, next)).await.unwrap_or_else(
            |_| {
                Err(Problem::unavailable(format!("the request was not answered within {limit:?}; repeat it")))
            },
        )
    };
    let answered: Result<Response, Problem> = answer.await;
    match origin {
        Origin::Own => answered,
        Origin::Allowed(origin) => Ok(allowed(answered.unwrap_or_else(IntoResponse::into_response), &origin)),
    }
}

/// Lets a page of that origin read the answer.
fn allowed(mut response: Response, origin: &HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(VARY, HeaderValue::from_static("origin"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "authorization, content-type, idempotency-key, last-event-id, mcp-session-id, mcp-protocol-version",
        ),
    );
    response
}

/// The whole body: what is too large or too slow never reaches a handler.
async fn read(shared: &Shared, head: &axum::http::request::Parts, body: Body) -> Result<Bytes, Problem> {
    if matches!(head.method, Method::GET | Method::HEAD) {
        return Ok(Bytes::new());
    }
    let max = shared.config.max_body_bytes;
    let too_large = || {
        let detail = format!("the body has more than {max} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    };
    let declared = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > max as u64) {
        return Err(too_large());
    }
    let limit = shared.config.body_timeout;
    match tokio::time::timeout(limit, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::bad_request("the body broke off, or is not what its headers say")),
        Err(_) => {
            let detail = format!("the body did not arrive within {limit:?}");
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", detail))
        }
    }
}

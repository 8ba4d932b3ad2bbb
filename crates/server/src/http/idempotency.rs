//! Requests that carry a key are done once (draft-ietf-httpapi-idempotency-key-header).

use std::sync::Arc;

use agent_turbo_orchestrator::{Begun, RequestClaim, RequestKey};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use sha2::{Digest, Sha256};

use super::extract::Seed;
use super::problem::Problem;
use super::state::Shared;
use crate::caller::Caller;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Answers the request, unless its key was answered before. Only what succeeded is remembered: what failed has done
/// nothing, and may be mended under the same key.
pub(super) async fn once(
    shared: &Arc<Shared>,
    caller: &Caller,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let mut keys = request.headers().get_all(&KEY).iter();
    let (Some(key), false) = (keys.next(), matches!(*request.method(), Method::GET | Method::HEAD)) else {
        return Ok(next.run(request).await);
    };
    let key = key.to_str().ok().filter(|_| keys.next().is_none());
    let key = key.ok_or_else(|| Problem::bad_request("the Idempotency-Key is not one line of ASCII"))?;
    let key = RequestKey { scope: caller.scope().to_owned(), key: key.to_owned() };
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Problem::bad_request("the body broke off"))?.to_bytes();
    let mut fingerprint = Sha256::new();
    for part in [head.method.as_str().as_bytes(), head.uri.to_string().as_bytes(), &body] {
        fingerprint.update((part.len() as u64).to_be_bytes());
        fingerprint.update(part);
    }
    let claim = match shared.app.orchestrator.begin_request(key, fingerprint.finalize().into()).await? {
        Begun::Now(claim) => claim,
        Begun::Before { status, body } => return Ok(replayed(status, body)),
        Begun::InProgress => {
            let detail = "a request with this key is being answered; repeat it";
            let mut response = Problem::new(StatusCode::CONFLICT, "in-progress", detail).into_response();
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            return Ok(response);
        }
        Begun::OtherRequest => {
            let detail = "this Idempotency-Key stands for another request";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key-reused", detail));
        }
    };
    let mut request = Request::from_parts(head, Body::from(body));
    request.extensions_mut().insert(Seed(Some(claim.seed)));
    // To its end, also when the client has gone: otherwise who repeats it would have to wait for the claim to lapse.
    let shared = Arc::clone(shared);
    let work = shared.config.work.clone();
    let done = work.spawn(async move {
        let response = next.run(request).await;
        settle(&shared, &claim, response).await
    });
    done.await.map_err(|_| Problem::internal())
}

async fn settle(shared: &Shared, claim: &RequestClaim, response: Response) -> Response {
    let orchestrator = &shared.app.orchestrator;
    let (head, body) = response.into_parts();
    let Ok(body) = body.collect().await else { return Problem::internal().into_response() };
    let body: Bytes = body.to_bytes();
    let settled = if head.status.is_success() {
        orchestrator.finish_request(claim, head.status.as_u16(), &body).await
    } else {
        orchestrator.abandon_request(claim).await
    };
    if let Err(error) = settled {
        // It is done, and its ids are made of the seed, so that a repetition finds what was made.
        tracing::warn!(%error, "server.unsettled_request");
    }
    Response::from_parts(head, Body::from(body))
}

fn replayed(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

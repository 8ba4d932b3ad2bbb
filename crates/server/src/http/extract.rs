//! Bodies, parameters and ids, read so that what is wrong with them is told.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::Segment;
use uuid::Uuid;

use super::problem::{Problem, WrongMember};
use super::state::Shared;

/// The JSON body.
pub(super) struct Body<T>(pub(super) T);

/// The query's parameters.
pub(super) struct Params<T>(pub(super) T);

/// The id in the path.
pub(super) struct Id<T>(pub(super) T);

/// What ids of a request that carries a key are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed(pub(super) Option<Uuid>);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        if !is_json(&request) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "the body is to be JSON, and its content-type application/json",
            ));
        }
        let bytes = Bytes::from_request(request, shared)
            .await
            .map_err(|_| Problem::bad_request("the body broke off"))?;
        // serde would take a list for a struct, member by member.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            let wrong = WrongMember {
                pointer: String::new(),
                detail: "an array, and an object is expected".to_owned(),
            };
            return Err(not_expected(wrong));
        }
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let pointer = pointer(error.path());
            let error = error.into_inner();
            match error.classify() {
                Category::Data => {
                    not_expected(WrongMember { pointer, detail: without_place(&error.to_string()) })
                }
                _ => Problem::bad_request(format!("the body is no JSON: {error}")),
            }
        })?;
        json.end().map_err(|error| Problem::bad_request(format!("the body is no JSON: {error}")))?;
        Ok(Self(value))
    }
}

fn not_expected(wrong: WrongMember) -> Problem {
    let detail = "the body is JSON, and not what is expected";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-input", detail).with_errors(vec![wrong])
}

fn is_json(request: &Request) -> bool {
    let mut types = request.headers().get_all(CONTENT_TYPE).iter();
    let (Some(media), None) = (types.next(), types.next()) else { return false };
    let media = media.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json")
}

/// serde_json says where in the text it is, which the pointer says better.
fn without_place(error: &str) -> String {
    error.rsplit_once(" at line ").map_or(error, |(what, _)| what).to_owned()
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => pointer.push_str(variant),
            Segment::Unknown => pointer.push('?'),
        }
    }
    pointer
}

impl<T: DeserializeOwned> FromRequestParts<Arc<Shared>> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, _: &Arc<Shared>) -> Result<Self, Problem> {
        let query = head.uri.query().unwrap_or_default();
        let parameters = serde_html_form::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(parameters).map(Self).map_err(|error| {
            let pointer = error.path().to_string();
            let detail = error.into_inner().to_string();
            Problem::bad_request("a parameter of the query cannot be used")
                .with_errors(vec![WrongMember { pointer, detail }])
        })
    }
}

impl<T: FromStr> FromRequestParts<Arc<Shared>> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let unknown = || Problem::not_found("failed to find what the path names");
        let params = RawPathParams::from_request_parts(head, shared)
            .await
            .map_err(|_| Problem::bad_request("the path is not UTF-8"))?;
        let (_, id) = params.iter().next().ok_or_else(unknown)?;
        // What no id may be, is nobody's id.
        id.parse().map(Self).map_err(|_| unknown())
    }
}

impl FromRequestParts<Arc<Shared>> for Seed {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, _: &Arc<Shared>) -> Result<Self, Problem> {
        Ok(head.extensions.get::<Self>().copied().unwrap_or(Self(None)))
    }
}

/// An answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "server.unwritable_answer");
        Problem::internal()
    })?;
    let headers = [(CONTENT_TYPE, "application/json")];
    Ok((status, headers, body).into_response())
}

/// The usual answer.
pub(super) fn ok(value: &impl Serialize) -> Result<Response, Problem> {
    json(StatusCode::OK, value)
}

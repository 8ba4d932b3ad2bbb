//! What went wrong, as RFC 9457 has it.

use std::collections::BTreeMap;

use agent_turbo_knowledge as knowledge;
use agent_turbo_orchestrator as orchestrator;
use agent_turbo_planner as planner;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::caller::Denied;
use crate::fault::{Fault, Kind};

/// The media type of problems.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// What kind of problem it is: `urn:agent-turbo:problem:…`.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong this time.
    detail: String,
    /// The way out, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hint: Option<String>,
    /// Members of the body, or parameters, that cannot be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<WrongMember>,
    #[serde(skip)]
    #[schema(ignore)]
    header: Option<Extra>,
}

/// A header that belongs to a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    ShowToken,
    RetrySoon,
    RetryLater,
}

/// A member of the body, or a parameter, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct WrongMember {
    /// Which: a JSON pointer (RFC 6901) into the body, or the parameter's name.
    pub(super) pointer: String,
    /// What is wrong with it.
    pub(super) detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:agent-turbo:problem:{kind}"),
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            detail: detail.into(),
            hint: None,
            errors: Vec::new(),
            header: None,
        }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self { header: Some(Extra::ShowToken), ..Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail) }
    }

    pub(super) fn too_many(detail: impl Into<String>) -> Self {
        Self {
            header: Some(Extra::RetryLater),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail)
        }
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self {
            header: Some(Extra::RetrySoon),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
        }
    }

    pub(super) fn internal() -> Self {
        let detail = "something went wrong inside the server; its log says what";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    #[must_use]
    pub(super) fn with_errors(self, errors: Vec<WrongMember>) -> Self {
        Self { errors, ..self }
    }

    #[must_use]
    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let Fault { kind, detail, hint } = fault;
        let detail = format!("failed to {detail}");
        let problem = match kind {
            Kind::BadInput => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-input", detail),
            Kind::NotFound => Self::not_found(detail),
            Kind::SessionEnded => Self::new(StatusCode::CONFLICT, "session-ended", detail),
            Kind::LostLease => Self::new(StatusCode::CONFLICT, "lost-lease", detail),
            Kind::Conflict => Self::new(StatusCode::CONFLICT, "conflict", detail),
            Kind::Unavailable => {
                // Where the database is, is nobody's business but the operator's.
                tracing::warn!(detail, "server.unavailable");
                return Self::unavailable(
                    "the database or the embedding service cannot be used right now; repeat the request",
                );
            }
            Kind::Internal => return Self::internal(),
        };
        Self { hint, ..problem }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Project(_) => Self::not_found(format!("failed to {denied}")),
            Denied::Role { .. } | Denied::Shared => Self::forbidden(format!("failed to {denied}")),
        }
    }
}

impl From<knowledge::Error> for Problem {
    fn from(error: knowledge::Error) -> Self {
        Fault::from(error).into()
    }
}

impl From<orchestrator::Error> for Problem {
    fn from(error: orchestrator::Error) -> Self {
        Fault::from(error).into()
    }
}

impl From<planner::Error> for Problem {
    fn from(error: planner::Error) -> Self {
        Fault::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Texts and numbers can always be written.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        let extra = self.header.map(|extra| match extra {
            Extra::ShowToken => (WWW_AUTHENTICATE, "Bearer"),
            Extra::RetrySoon => (RETRY_AFTER, "2"),
            Extra::RetryLater => (RETRY_AFTER, "60"),
        });
        if let Some((name, value)) = extra {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// The problems that every request may meet, for the document.
pub(super) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let problems = [
            (400, "It cannot be read: no HTTP, no JSON, or an unknown parameter."),
            (401, "A token is needed, and none was shown, or one that opens nothing."),
            (403, "The token does not allow it, or a page of another origin asks."),
            (404, "It is not there, or not for this token."),
            (405, "There is no such method here."),
            (408, "The request did not arrive in time."),
            (409, "What is there does not allow it now, or the same request is being answered."),
            (413, "The body is too large."),
            (415, "The body is not `application/json`."),
            (421, "The server is not called by that name."),
            (422, "It can be read, and a value cannot be used; or its key stands for another request."),
            (429, "Too many tokens that open nothing came from this address."),
            (500, "Something went wrong inside the server."),
            (503, "The database or the embedding service cannot be used right now: repeat it."),
        ];
        let response = |(status, description): (u16, &str)| {
            let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
            let response = ResponseBuilder::new()
                .description(description)
                .content(MEDIA_TYPE, Content::new(Some(schema)))
                .build();
            (status.to_string(), RefOr::T(response))
        };
        problems.into_iter().map(response).collect()
    }
}

//! Errors as clients see them: `{"error": "…"}` with the status that fits.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::Error;

/// Seconds after which a refused client should try again: a full queue has drained a good part by then.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// A refusal with its status.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such route")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "the route does not take this method")
    }

    /// The same error in a body of its own shape.
    pub(super) fn respond(status: StatusCode, body: serde_json::Value) -> Response {
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::EmptyText | Error::NotText | Error::Tokenize(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::TextTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Overloaded { .. } | Error::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, message(&error))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Self::respond(self.status, json!({ "error": self.message }))
    }
}

/// The error as a sentence, with what caused it.
pub(super) fn message(error: &Error) -> String {
    let mut message = format!("failed to {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    message
}

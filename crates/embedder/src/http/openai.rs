//! `POST /v1/embeddings`, the shape of OpenAI's embeddings API.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Service;
use super::body::Body;
use super::error::ApiError;

#[derive(Deserialize)]
pub(super) struct Request {
    input: Input,
    model: Option<String>,
    #[serde(default)]
    encoding_format: EncodingFormat,
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum EncodingFormat {
    #[default]
    Float,
    Base64,
}

#[derive(Serialize)]
struct Answer<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
    model: Cow<'a, str>,
    usage: Usage,
}

#[derive(Serialize)]
struct Item<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Float(&'a [f32]),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// An error in OpenAI's shape.
pub(super) struct OpenAiError(ApiError);

/// Embeds one text or several. Unlike `/batch`, one bad text fails the request, as clients of this API expect.
pub(super) async fn embeddings(
    State(service): State<Service>,
    request: Result<Body<Request>, ApiError>,
) -> Result<Response, OpenAiError> {
    let Body(request) = request?;
    let model = service.engine.model();
    if let Some(dimensions) = request.dimensions
        && dimensions != model.dimensions()
    {
        let message = format!("the model has {} dimensions and cannot give {dimensions}", model.dimensions());
        return Err(ApiError::new(StatusCode::BAD_REQUEST, message).into());
    }
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    if texts.is_empty() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "the input is empty").into());
    }
    let results = service.embed(texts.into_iter().map(Ok).collect()).await?;
    let embedded = results.into_iter().collect::<Result<Vec<_>, _>>().map_err(ApiError::from)?;

    let tokens = embedded.iter().map(|text| text.embedding.tokens).sum();
    let data = embedded.iter().enumerate().map(|(index, text)| Item {
        object: "embedding",
        index,
        embedding: match request.encoding_format {
            EncodingFormat::Float => Vector::Float(&text.embedding.vector),
            EncodingFormat::Base64 => Vector::Base64(base64(&text.embedding.vector)),
        },
    });
    let answer = Answer {
        object: "list",
        data: data.collect(),
        model: request.model.map_or(Cow::Borrowed(model.name()), Cow::Owned),
        usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
    };
    Ok(Json(answer).into_response())
}

/// The vector's little-endian bytes in base64.
fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    BASE64.encode(bytes)
}

impl From<ApiError> for OpenAiError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for OpenAiError {
    fn into_response(self) -> Response {
        let Self(ApiError { status, message }) = self;
        let kind = if status.is_client_error() { "invalid_request_error" } else { "server_error" };
        let error = json!({ "message": message, "type": kind, "param": null, "code": null });
        ApiError::respond(status, json!({ "error": error }))
    }
}

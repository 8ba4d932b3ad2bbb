//! `POST /embed` and `POST /batch`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::error::{ApiError, message};
use super::{Limits, Service};
use crate::engine::Embedded;
use crate::error::{Error, Result};

#[derive(Deserialize)]
pub(super) struct EmbedRequest {
    text: String,
}

#[derive(Deserialize)]
pub(super) struct BatchRequest {
    texts: Vec<Item>,
}

/// An element of a batch. One that is no string spoils its own place only.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Text(String),
    Other(IgnoredAny),
}

#[derive(Serialize)]
struct EmbedResponse<'a> {
    #[serde(flatten)]
    text: TextResponse<'a>,
    model: &'a str,
    dimensions: usize,
}

#[derive(Serialize)]
struct BatchResponse<'a> {
    embeddings: Vec<ItemResponse<'a>>,
    model: &'a str,
    dimensions: usize,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ItemResponse<'a> {
    Embedding(TextResponse<'a>),
    Error { error: String },
}

#[derive(Serialize)]
struct TextResponse<'a> {
    embedding: &'a [f32],
    tokens: usize,
    truncated: bool,
    cached: bool,
}

/// One text, one vector.
pub(super) async fn embed(
    State(service): State<Service>,
    Body(request): Body<EmbedRequest>,
) -> Result<Response, ApiError> {
    let mut results = service.embed(vec![Ok(request.text)]).await?;
    let embedded = results.pop().unwrap_or(Err(Error::Stopped))?;
    let model = service.engine.model();
    let response = EmbedResponse {
        text: TextResponse::new(&embedded),
        model: model.name(),
        dimensions: model.dimensions(),
    };
    Ok(Json(response).into_response())
}

/// Many texts; each gets its vector or its error in its own place.
pub(super) async fn batch(
    State(service): State<Service>,
    Body(request): Body<BatchRequest>,
) -> Result<Response, ApiError> {
    let texts = request.texts.into_iter().map(|item| match item {
        Item::Text(text) => Ok(text),
        Item::Other(IgnoredAny) => Err(Error::NotText),
    });
    let results = service.embed(texts.collect()).await?;
    let model = service.engine.model();
    let embeddings = results.iter().map(|result| match result {
        Ok(embedded) => ItemResponse::Embedding(TextResponse::new(embedded)),
        Err(error) => ItemResponse::Error { error: message(error) },
    });
    let response = BatchResponse {
        embeddings: embeddings.collect(),
        model: model.name(),
        dimensions: model.dimensions(),
    };
    Ok(Json(response).into_response())
}

impl<'a> TextResponse<'a> {
    fn new(embedded: &'a Embedded) -> Self {
        let embedding = &embedded.embedding;
        Self {
            embedding: &embedding.vector,
            tokens: embedding.tokens,
            truncated: embedding.truncated,
            cached: embedded.cached,
        }
    }
}

impl Service {
    /// Embeds the texts that the limits allow; the others, and those that are errors already, keep their places.
    pub(super) async fn embed(&self, texts: Vec<Result<String>>) -> Result<Vec<Result<Embedded>>, ApiError> {
        if texts.len() > self.limits.max_texts {
            let message = format!("{} texts exceed the limit of {}", texts.len(), self.limits.max_texts);
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        let mut good = Vec::with_capacity(texts.len());
        let mut places = Vec::with_capacity(texts.len());
        for text in texts {
            places.push(match text.and_then(|text| check(text, &self.limits)) {
                Ok(text) => {
                    good.push(text);
                    Ok(())
                }
                Err(error) => Err(error),
            });
        }
        let mut results = self.engine.embed(good).await?.into_iter();
        let merged = places
            .into_iter()
            .map(|place| place.and_then(|()| results.next().unwrap_or(Err(Error::Stopped))))
            .collect();
        Ok(merged)
    }
}

fn check(text: String, limits: &Limits) -> Result<String> {
    if text.len() > limits.max_text_bytes {
        return Err(Error::TextTooLong { bytes: text.len(), limit: limits.max_text_bytes });
    }
    Ok(text)
}

//! The wire's decoders, for fuzz targets.

use crate::wire::{self, BatchAnswer, BatchItem, EmbedAnswer};

/// The service's own words in an error answer.
pub fn error_message(body: &[u8]) -> String {
    wire::error_message(body)
}

/// Why a vector cannot be compared with others, if it cannot.
pub fn fault_of(vector: &[f32]) -> Option<&'static str> {
    wire::fault_of(vector)
}

/// The vectors of an answer to one text or to a batch, if these bytes are one.
pub fn vectors(body: &[u8]) -> Vec<Vec<f32>> {
    let one: Result<EmbedAnswer, _> = serde_json::from_slice(body);
    let batch: Result<BatchAnswer, _> = serde_json::from_slice(body);
    let items = batch.map(|answer| answer.embeddings).unwrap_or_default();
    let of_batch = items.into_iter().filter_map(|item| match item {
        BatchItem::Vector { embedding, .. } => Some(embedding),
        BatchItem::Failed { .. } | BatchItem::Unreadable(_) => None,
    });
    one.map(|answer| answer.embedding).into_iter().chain(of_batch).collect()
}

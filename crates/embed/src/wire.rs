//! The service's JSON, and what of it is believed.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::Model;

/// The answer to `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `healthy` when it can embed.
    pub status: String,
    /// Whether it runs on Apple's GPU.
    #[serde(default)]
    pub metal_available: bool,
    /// Whether its model is in memory.
    #[serde(default)]
    pub model_loaded: bool,
    /// Its model's name.
    pub embedding_model: String,
    /// Components of its vectors.
    pub embedding_dim: usize,
}

impl Health {
    /// Whether it can embed right now.
    pub fn is_healthy(&self) -> bool {
        self.status == "healthy" && self.model_loaded
    }

    /// The model it serves.
    pub fn model(&self) -> Model {
        Model { name: self.embedding_model.clone(), dimensions: self.embedding_dim }
    }
}

#[derive(Serialize)]
pub(crate) struct EmbedRequest<'a> {
    pub(crate) text: &'a str,
}

#[derive(Deserialize)]
pub(crate) struct EmbedAnswer {
    pub(crate) embedding: Vec<f32>,
    pub(crate) model: Option<String>,
    pub(crate) dimensions: Option<usize>,
    #[serde(default)]
    pub(crate) cached: bool,
    #[serde(default)]
    pub(crate) truncated: bool,
}

#[derive(Serialize)]
pub(crate) struct BatchRequest<'a> {
    pub(crate) texts: &'a [&'a str],
}

#[derive(Deserialize)]
pub(crate) struct BatchAnswer {
    pub(crate) embeddings: Vec<BatchItem>,
    pub(crate) model: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum BatchItem {
    Vector {
        embedding: Vec<f32>,
        #[serde(default)]
        cached: bool,
        #[serde(default)]
        truncated: bool,
    },
    Failed {
        error: String,
    },
    /// Neither; the other items may be good all the same.
    Unreadable(IgnoredAny),
}

/// The service's own words in an error answer, whichever of the usual shapes it has; at most 300 characters.
pub(crate) fn error_message(body: &[u8]) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let words = value.as_ref().and_then(|value| {
        let found = ["error", "detail", "message"].iter().find_map(|key| value.get(key))?;
        found.as_str().map(str::to_owned).or_else(|| Some(found.get("message")?.as_str()?.to_owned()))
    });
    let words = words.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
    if words.is_empty() { "(no message)".to_owned() } else { words.chars().take(300).collect() }
}

/// The greatest number of half precision, in which vectors are indexed.
const GREATEST: f32 = 65_504.0;

/// Why a vector cannot be compared with others, if it cannot.
pub(crate) fn fault_of(vector: &[f32]) -> Option<&'static str> {
    if vector.is_empty() {
        Some("it is empty")
    } else if !vector.iter().all(|component| component.is_finite()) {
        Some("it has components that are not numbers")
    } else if vector.iter().any(|component| component.abs() > GREATEST) {
        Some("it has components beyond half precision")
    } else if vector.iter().map(|component| component * component).sum::<f32>() < 1e-12 {
        Some("it is zero")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_are_read_in_every_usual_shape() {
        assert_eq!(error_message(br#"{"error":"too long"}"#), "too long");
        assert_eq!(error_message(br#"{"detail":"too long"}"#), "too long");
        assert_eq!(error_message(br#"{"error":{"message":"too long"}}"#), "too long");
        assert_eq!(error_message(b"too long\n"), "too long");
        assert_eq!(error_message(b""), "(no message)");
    }

    #[test]
    fn vectors_that_cannot_be_compared_are_told_apart() {
        assert_eq!(fault_of(&[0.6, -0.8]), None);
        for bad in [&[][..], &[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0], &[1e30, 1.0], &[-65_505.0]]
        {
            assert!(fault_of(bad).is_some(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let message = error_message(&bytes);
            prop_assert!(!message.is_empty() && message.chars().count() <= 300);
            let _: Result<EmbedAnswer, _> = serde_json::from_slice(&bytes);
            let _: Result<BatchAnswer, _> = serde_json::from_slice(&bytes);
        }

        #[test]
        fn vectors_survive_the_wire(vector in proptest::collection::vec(-1.0f32..1.0, 1..50)) {
            let text = serde_json::json!({ "embedding": vector }).to_string();
            let answer: EmbedAnswer = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(answer.embedding, vector);
        }
    }
}

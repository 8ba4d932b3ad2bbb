use agent_turbo_embed::Health;
use agent_turbo_embed::fuzzing::{error_message, fault_of, vectors};

/// Answers of the embedding service: vectors that are accepted can be compared, messages are short.
pub fn wire(data: &[u8]) {
    let message = error_message(data);
    assert!(!message.is_empty() && message.chars().count() <= 300);
    for vector in vectors(data) {
        if fault_of(&vector).is_none() {
            let norm: f64 = vector.iter().map(|&part| f64::from(part) * f64::from(part)).sum();
            assert!(norm.is_finite() && norm > 0.0, "{vector:?}");
            assert!(vector.iter().map(|part| part * part).sum::<f32>().is_finite(), "no length: {vector:?}");
        }
    }
    if let Ok(health) = serde_json::from_slice::<Health>(data) {
        assert!(!health.is_healthy() || health.status == "healthy");
        assert_eq!(health.model().dimensions, health.embedding_dim);
    }
}

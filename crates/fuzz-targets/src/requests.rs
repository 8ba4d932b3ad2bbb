use agent_turbo_embedder::fuzzing;

/// Bodies of requests to the embedding service: what is read as one is JSON.
pub fn requests(data: &[u8]) {
    let read = fuzzing::requests(data);
    if read.contains(&true) {
        assert!(serde_json::from_slice::<serde_json::Value>(data).is_ok());
    }
}

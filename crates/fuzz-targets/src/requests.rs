use agent_turbo_embedder::fuzzing;

/// Bodies of requests to the embedding service: what is read as one is an object, or an array of its members.
pub fn requests(data: &[u8]) {
    // Members that nobody knows are passed over, so the rest need not be JSON that everybody takes.
    if fuzzing::requests(data).contains(&true) {
        assert!(matches!(data.trim_ascii_start().first(), Some(b'{' | b'[')));
    }
}

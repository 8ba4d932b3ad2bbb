use crate::{ChunkCounts, DocumentCounts};

/// Hears of documents on their way, and may stop them.
pub trait Progress: Send + Sync {
    /// Something took a step worth a line, such as `12 files in docs`.
    fn step(&self, _step: &str) {}
    /// Of so many bytes so many are dealt with, and stored.
    fn bytes(&self, _done: u64, _of: u64, _documents: &DocumentCounts, _chunks: &ChunkCounts) {}
    /// Asked between batches: whether to stop after the one under way.
    fn should_stop(&self) -> bool {
        false
    }
}

/// Nobody listens.
impl Progress for () {}

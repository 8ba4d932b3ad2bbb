use crate::Counts;

/// Hears of an import while it runs, and may stop it.
pub trait Progress: Send + Sync {
    /// Something took a step worth a line, such as `read 3 tables`.
    fn step(&self, _step: &str) {}
    /// So many of so many rows are dealt with.
    fn rows(&self, _done: u64, _of: u64, _counts: &Counts) {}
    /// Asked between batches: whether to stop after the one under way.
    fn should_stop(&self) -> bool {
        false
    }
}

/// Nobody listens.
impl Progress for () {}

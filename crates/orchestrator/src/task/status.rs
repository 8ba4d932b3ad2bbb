use crate::vocabulary::vocabulary;

vocabulary! {
    /// Where a task stands.
    TaskStatus, "the task's status" {
        /// Waits for a prerequisite, for its time, or for somebody to claim it.
        Pending = "pending",
        /// Somebody is at it.
        InProgress = "in_progress",
        /// Waits for what no task provides.
        Blocked = "blocked",
        /// Done.
        Completed = "completed",
        /// Given up.
        Failed = "failed",
        /// No longer wanted.
        Cancelled = "cancelled",
    }
}

impl TaskStatus {
    /// Whether only a retry or a revision leads out of it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

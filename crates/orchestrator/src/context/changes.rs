use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use agent_turbo_db::Event;

/// Where changes are announced; the payload is the project, or empty for all.
pub(super) const CHANNELS: &[&str] = &["agent_turbo_context", "agent_turbo_knowledge"];
/// Projects share counters; two that share one only forget a little more often.
const COUNTERS: usize = 256;

/// Counts what is heard of changes.
#[derive(Debug)]
pub(super) struct Changes {
    projects: [AtomicU64; COUNTERS],
    everything: AtomicU64,
    connections: AtomicU64,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            projects: [const { AtomicU64::new(0) }; COUNTERS],
            everything: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        }
    }

    pub(super) fn heard(&self, event: &Event) {
        match event {
            Event::Notification { payload, .. } if !payload.is_empty() => {
                self.counter(payload).fetch_add(1, Ordering::AcqRel);
            }
            Event::Notification { .. } => self.anywhere(),
            // A listener that begins, or stops, has missed something, or will.
            Event::Live | Event::Lost => {
                self.connections.fetch_add(1, Ordering::AcqRel);
                self.anywhere();
            }
        }
    }

    pub(super) fn anywhere(&self) {
        self.everything.fetch_add(1, Ordering::AcqRel);
    }

    /// Differs whenever something was heard of the project since.
    pub(super) fn generation(&self, project: &str) -> u64 {
        // Neither ever falls, so the sum is the same only when both are.
        self.counter(project).load(Ordering::Acquire) + self.everything.load(Ordering::Acquire)
    }

    /// Differs whenever the listener's connection was made or broke since.
    pub(super) fn connection(&self) -> u64 {
        self.connections.load(Ordering::Acquire)
    }

    fn counter(&self, project: &str) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        project.hash(&mut hasher);
        &self.projects[hasher.finish() as usize % COUNTERS]
    }
}

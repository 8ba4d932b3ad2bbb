use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinHandle;

use crate::session::{ReapedSessions, SilenceLimits};
use crate::task::LookedAfter;
use crate::{Orchestrator, Result};

/// Expired landing contexts that one pass removes.
const MAX_CONTEXTS: i64 = 1000;

/// What one pass of the reaper came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reaped {
    /// Leases, waiting times and deadlines that were over.
    pub tasks: LookedAfter,
    /// Sessions that had gone silent.
    pub sessions: ReapedSessions,
    /// Landing contexts that had expired.
    pub contexts: u64,
    /// Requests with a key that nobody repeats any more.
    pub requests: u64,
}

/// Reaps until it is dropped.
#[derive(Debug)]
pub struct Reaper(JoinHandle<()>);

impl Orchestrator {
    /// One pass: draws the conclusions of everything whose time is over. Several may do it at once; an advisory lock
    /// and row locks see to it that each thing is done by one of them.
    #[tracing::instrument(name = "orchestrator.reap", skip_all)]
    pub async fn reap(&self, limits: SilenceLimits) -> Result<Reaped> {
        // Sessions first: what a failed one held may be ready at once.
        let sessions = self.reap_sessions(limits).await?;
        let tasks = self.look_after_tasks().await?;
        let contexts = self
            .db
            .execute(
                "remove_expired_contexts",
                "-- remove_expired_contexts
                 DELETE FROM agent_context_cache WHERE cache_key IN (
                     SELECT cache_key FROM agent_context_cache WHERE expires_at <= now()
                     ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
                &[&MAX_CONTEXTS],
            )
            .await?;
        let requests = self.remove_old_requests().await?;
        Ok(Reaped { tasks, sessions, contexts, requests })
    }

    /// Reaps in the background, once in `every`, for as long as the handle lives. A pass that fails is logged; the next
    /// one tries again.
    pub fn start_reaper(&self, limits: SilenceLimits, every: Duration) -> Reaper {
        let orchestrator = self.clone();
        Reaper(tokio::spawn(async move {
            loop {
                // Not all processes at the same moment.
                tokio::time::sleep(every.mul_f64(0.75 + rand::random::<f64>() / 2.0)).await;
                if let Err(error) = orchestrator.reap(limits).await {
                    tracing::warn!(%error, "orchestrator.reap");
                }
            }
        }))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

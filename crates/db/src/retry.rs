use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use crate::Error;

/// An error of a layer above that may carry one of ours.
pub trait Retryable: From<Error> {
    /// The database error at the root of it, if that is what it is.
    fn database_error(&self) -> Option<&Error>;
}

impl Retryable for Error {
    fn database_error(&self) -> Option<&Error> {
        Some(self)
    }
}

/// How often, and how long, one named piece of work may be tried again.
#[derive(Debug)]
pub(crate) struct Retry {
    name: &'static str,
    attempt: u32,
    conflicts: u32,
    started: Instant,
}

/// Attempts for conflicts. Every loser of a conflict means that somebody won, so this bounds starvation, not livelock.
const MAX_CONFLICTS: u32 = 10;
/// For lost connections: long enough for a server's restart, short enough for somebody who waits at a prompt.
const MAX_OUTAGE: Duration = Duration::from_secs(8);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_millis(500);

impl Retry {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, attempt: 0, conflicts: 0, started: Instant::now() }
    }

    /// Waits when `error` is worth another attempt; `false` when it is final.
    pub(crate) async fn pause_after(&mut self, error: &Error) -> bool {
        self.attempt += 1;
        let again = match error {
            Error::Conflict { source, .. } => {
                self.conflicts += 1;
                self.conflicts < MAX_CONFLICTS
                    && matches!(
                        source.code(),
                        Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
                    )
            }
            Error::ConnectionLost { .. } | Error::Unreachable { .. } => self.started.elapsed() < MAX_OUTAGE,
            _ => false,
        };
        if again {
            let ceiling = FIRST_PAUSE.saturating_mul(1 << self.attempt.min(10)).min(MAX_PAUSE);
            // Full jitter: those who collided once must not collide again in step.
            let pause = ceiling.mul_f64(rand::random::<f64>());
            tracing::debug!(name = self.name, attempt = self.attempt, ?pause, %error, "db.retry");
            tokio::time::sleep(pause).await;
        }
        again
    }
}

use std::time::Duration;

use moka::sync::Cache;

use crate::ids::SessionId;
use crate::{Orchestrator, Result};

/// How often work is noted as a sign of life: so seldom that it does not slow the work down.
const NOTED_EVERY: Duration = Duration::from_secs(30);
const MAX_SESSIONS: u64 = 10_000;

/// The sessions of which this process noted a sign of life lately.
#[derive(Debug)]
pub(crate) struct SignsOfLife(Cache<SessionId, ()>);

impl Default for SignsOfLife {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MAX_SESSIONS).time_to_live(NOTED_EVERY).build())
    }
}

impl Orchestrator {
    /// A sign of life of a session, written down once in 30 s at the most: for those who give one with every call. It
    /// neither counts anything nor tells whether the session is over; [`Orchestrator::touch_session`] does.
    pub async fn show_life(&self, session: &SessionId) -> Result<()> {
        self.note_alive(std::iter::once(session)).await
    }

    /// Whoever claims or logs is at work, also when he says nothing else; an idle session is active again.
    pub(crate) async fn note_alive(&self, sessions: impl Iterator<Item = &SessionId>) -> Result<()> {
        let mut silent: Vec<&SessionId> =
            sessions.filter(|session| !self.alive.0.contains_key(*session)).collect();
        if silent.is_empty() {
            return Ok(());
        }
        silent.sort_unstable();
        silent.dedup();
        let ids: Vec<&str> = silent.iter().map(|session| session.as_str()).collect();
        self.db
            .execute(
                "note_alive",
                "-- note_alive
                 UPDATE agent_sessions SET last_active = now(), status = 'active'
                 WHERE session_id = ANY ($1)
                     AND (status = 'idle' OR status = 'active' AND last_active < now() - interval '1 minute')",
                &[&ids],
            )
            .await?;
        for session in silent {
            self.alive.0.insert(session.clone(), ());
        }
        Ok(())
    }
}

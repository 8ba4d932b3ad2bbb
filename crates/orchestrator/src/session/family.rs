use agent_turbo_db as db;

use super::{Session, session_columns};
use crate::ids::SessionId;
use crate::{Orchestrator, Result};

/// Children that are returned at the most; `list_sessions` shows more, in pages.
const MAX_CHILDREN: i64 = 1000;
/// Generations that are gone up at the most.
const MAX_GENERATIONS: i32 = 100;

impl Orchestrator {
    /// The first 1,000 sessions that this one started, oldest first.
    #[tracing::instrument(name = "orchestrator.session_children", skip_all, fields(%session))]
    pub async fn session_children(&self, session: &SessionId) -> Result<Vec<Session>> {
        let rows = self
            .db
            .query(
                "session_children",
                concat!(
                    "-- session_children\nSELECT ",
                    session_columns!(),
                    " FROM agent_sessions s WHERE s.parent_session_id = $1 ORDER BY s.id LIMIT $2"
                ),
                &[&session.as_str(), &MAX_CHILDREN],
            )
            .await?;
        Ok(rows.iter().map(Session::from_row).collect::<db::Result<_>>()?)
    }

    /// Its parent, the parent of that, and so on: at most 100.
    #[tracing::instrument(name = "orchestrator.session_ancestors", skip_all, fields(%session))]
    pub async fn session_ancestors(&self, session: &SessionId) -> Result<Vec<Session>> {
        let rows = self
            .db
            .query(
                "session_ancestors",
                concat!(
                    // Other programs may make a circle of parents.
                    "-- session_ancestors
                     WITH RECURSIVE above (session_id, parent, generation) AS (
                         SELECT session_id, parent_session_id, 0 FROM agent_sessions WHERE session_id = $1
                         UNION ALL
                         SELECT p.session_id, p.parent_session_id, a.generation + 1
                         FROM above a JOIN agent_sessions p ON p.session_id = a.parent
                         WHERE a.generation < $2
                     ) CYCLE session_id SET is_cycle USING visited
                     SELECT ",
                    session_columns!(),
                    " FROM above a JOIN agent_sessions s USING (session_id)
                      WHERE a.generation > 0 AND NOT a.is_cycle ORDER BY a.generation"
                ),
                &[&session.as_str(), &MAX_GENERATIONS],
            )
            .await?;
        Ok(rows.iter().map(Session::from_row).collect::<db::Result<_>>()?)
    }
}

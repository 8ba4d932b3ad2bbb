/// A data-modifying CTE that notes a sign of life of one's session or sessions: `alive!("= $1")`, `alive!("= ANY ($2)")`.
///
/// At most once a minute, so that work is not slowed down by it. An idle session is active again.
macro_rules! alive {
    ($sessions:literal) => {
        concat!(
            "alive AS (
                 UPDATE agent_sessions SET last_active = now(), status = 'active'
                 WHERE session_id ",
            $sessions,
            " AND (status = 'idle' OR status = 'active' AND last_active < now() - interval '1 minute')
             )"
        )
    };
}
pub(crate) use alive;

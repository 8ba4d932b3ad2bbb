//! Landing contexts shared between processes, in `agent_context_cache`.

use agent_turbo_db::{self as db, Database, RowExt};
use jiff::Timestamp;

use super::generate::Generated;
use super::sections::newest_knowledge;
use super::{ContextScope, LandingContext};

/// A stored context that is as good as new.
pub(super) struct Stored {
    pub(super) context: LandingContext,
    /// The snapshot in which it was found to be so.
    pub(super) snapshot: String,
    /// How long it may still be used, in seconds.
    pub(super) expires_in: f64,
}

/// The stored context, if everything that has been committed was seen by it: what a change leaves behind carries the id
/// of its transaction, which is held against the snapshot that the context was read in. Ids beyond those of this server
/// came with a dump. Knowledge is compared itself.
pub(super) async fn load(db: &Database, scope: &ContextScope) -> db::Result<Option<Stored>> {
    let row = db
        .query_opt(
            "load_context",
            concat!(
                "-- load_context
                 SELECT c.context::text AS context, pg_current_snapshot()::text AS snapshot,
                        extract(epoch FROM c.expires_at - now())::float8 AS expires_in
                 FROM agent_context_cache AS c
                 WHERE c.cache_key = $1 AND c.project = $2 AND c.expires_at > now()
                     AND pg_snapshot_xmax(c.snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
                     AND NOT EXISTS (
                         SELECT FROM section_changes AS s
                         WHERE NOT pg_visible_in_snapshot(s.xid, c.snapshot)
                             AND s.xid < pg_snapshot_xmax(pg_current_snapshot()))
                     AND NOT EXISTS (
                         SELECT FROM agent_tasks AS t
                         WHERE t.project = $2 AND t.changed_xid >= pg_snapshot_xmax(c.snapshot)
                             AND t.changed_xid < pg_snapshot_xmax(pg_current_snapshot()))
                     AND NOT EXISTS (
                         SELECT FROM agent_tasks AS t
                         WHERE t.project = $2 AND t.changed_xid = ANY (ARRAY(SELECT pg_snapshot_xip(c.snapshot))))
                     AND (
                         SELECT count(*) = jsonb_array_length(c.context -> 'newest_knowledge')
                             AND c.context -> 'newest_knowledge'
                                 @> coalesce(jsonb_agg(jsonb_build_object('id', id, 'excerpt', excerpt)), '[]')
                         FROM (",
                newest_knowledge!("$2"),
                ") AS newest)"
            ),
            &[&scope.cache_key(), &scope.project],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    match LandingContext::from_json(row.column("context")?) {
        Ok(context) => Ok(Some(Stored {
            context,
            snapshot: row.column("snapshot")?,
            expires_in: row.column("expires_in")?,
        })),
        // Another version of this program stored it, or somebody else did.
        Err(error) => {
            tracing::debug!(%error, "orchestrator.context.unreadable");
            Ok(None)
        }
    }
}

/// Stores what was generated, unless somebody has stored what is newer.
pub(super) async fn store(db: &Database, generated: &Generated) -> db::Result<()> {
    let Generated { context, snapshot, expires_at } = generated;
    let expires_at: &Timestamp = expires_at;
    db.execute(
        "store_context",
        "-- store_context
         INSERT INTO agent_context_cache AS c (cache_key, project, context, snapshot, expires_at)
         VALUES ($1, $2, $3::text::jsonb, $4::text::pg_snapshot, $5)
         ON CONFLICT (cache_key) DO UPDATE
         SET project = EXCLUDED.project, context = EXCLUDED.context, snapshot = EXCLUDED.snapshot,
             expires_at = EXCLUDED.expires_at, created_at = now(), version = c.version + 1
         WHERE c.snapshot IS NULL
             OR (pg_snapshot_xmax(c.snapshot), pg_snapshot_xmin(c.snapshot))
                 <= (pg_snapshot_xmax(EXCLUDED.snapshot), pg_snapshot_xmin(EXCLUDED.snapshot))
             OR pg_snapshot_xmax(c.snapshot) > pg_snapshot_xmax(pg_current_snapshot())",
        &[&context.scope.cache_key(), &context.scope.project, &context.json(), &snapshot.text, expires_at],
    )
    .await?;
    Ok(())
}

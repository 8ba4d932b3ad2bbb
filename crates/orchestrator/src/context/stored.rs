//! Landing contexts shared between processes, in `agent_context_cache`.

use std::time::Duration;

use agent_turbo_db::{self as db, Database, RowExt};

use super::generate::Generated;
use super::sections::newest_knowledge;
use super::{ContextScope, LandingContext};

/// A stored context that is as good as new.
pub(super) struct Stored {
    pub(super) context: LandingContext,
    /// All transactions with smaller ids had ended when it was found to be so.
    pub(super) xmin: u64,
    /// How long it may still be used.
    pub(super) expires_in: Duration,
}

/// The stored context, if everything that has been committed was seen by it: what a change leaves behind carries the id
/// of its transaction, which is held against the snapshot that the context was read in. Ids beyond those of this server
/// came with a dump. Knowledge is compared itself. Of tasks, not EXISTS is asked but for a first one: that stays a look
/// into the index, where EXISTS may become a join.
pub(super) async fn load(db: &Database, scope: &ContextScope) -> db::Result<Option<Stored>> {
    let row = db
        .query_opt(
            "load_context",
            concat!(
                "-- load_context
                 SELECT c.context::text AS context, pg_snapshot_xmin(pg_current_snapshot())::text AS xmin,
                        extract(epoch FROM c.expires_at - now())::float8 AS expires_in
                 FROM agent_context_cache AS c
                 WHERE c.cache_key = $1 AND c.project = $2 AND c.expires_at > now()
                     AND pg_snapshot_xmax(c.snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
                     AND NOT EXISTS (
                         SELECT FROM section_changes AS s
                         WHERE NOT pg_visible_in_snapshot(s.xid, c.snapshot)
                             AND s.xid < pg_snapshot_xmax(pg_current_snapshot()))
                     AND (
                         SELECT true FROM agent_tasks AS t
                         WHERE t.project = $2 AND t.changed_xid >= pg_snapshot_xmax(c.snapshot)
                             AND t.changed_xid < pg_snapshot_xmax(pg_current_snapshot())
                         ORDER BY t.changed_xid LIMIT 1) IS NULL
                     AND (
                         SELECT true FROM agent_tasks AS t
                         WHERE t.project = $2 AND t.changed_xid = ANY (ARRAY(SELECT pg_snapshot_xip(c.snapshot)))
                             AND t.changed_xid >= pg_snapshot_xmin(c.snapshot)
                             AND t.changed_xid < pg_snapshot_xmax(c.snapshot)
                         ORDER BY t.changed_xid LIMIT 1) IS NULL
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
        Ok(context) => {
            let xmin = row.column::<&str>("xmin")?.parse().unwrap_or_default();
            let expires_in = row.column("expires_in")?;
            Ok(Some(Stored {
                context,
                xmin,
                expires_in: Duration::try_from_secs_f64(expires_in).unwrap_or_default(),
            }))
        }
        // Another version of this program stored it, or somebody else did.
        Err(error) => {
            tracing::debug!(%error, "orchestrator.context.unreadable");
            Ok(None)
        }
    }
}

/// Counts how often stored contexts were given out. Losing some in a power failure is cheaper than a flush to disk.
pub(super) async fn count_hits(db: &Database, mut hits: Vec<(String, i64)>) -> db::Result<()> {
    if hits.is_empty() {
        return Ok(());
    }
    // One order for all writers: two of them never wait for each other in a circle.
    hits.sort_unstable();
    let (keys, hits): (Vec<String>, Vec<i64>) = hits.into_iter().unzip();
    let (keys, hits) = (&keys, &hits);
    db.run_tx("count_context_hits", async |tx: db::Transaction| {
        tx.change("count_context_hits", "SET LOCAL synchronous_commit = off", &[]).await?;
        tx.change(
            "count_context_hits",
            "-- count_context_hits
             UPDATE agent_context_cache AS c SET hit_count = c.hit_count + h.hits
             FROM (
                 SELECT l.cache_key, u.hits FROM unnest($1::text[], $2::bigint[]) AS u (cache_key, hits)
                 JOIN agent_context_cache AS l USING (cache_key) ORDER BY l.cache_key FOR UPDATE OF l
             ) AS h
             WHERE c.cache_key = h.cache_key",
            &[keys, hits],
        )
        .await?;
        Ok(())
    })
    .await
}

/// Stores what was generated, unless somebody has stored what is newer.
pub(super) async fn store(db: &Database, generated: &Generated) -> db::Result<()> {
    let Generated { context, snapshot, expires_in } = generated;
    let expires_at = context.generated_at + *expires_in;
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
        &[&context.scope.cache_key(), &context.scope.project, &context.json(), &snapshot.text, &expires_at],
    )
    .await?;
    Ok(())
}

//! What rows mean that come from another server, as after a restore.

use agent_turbo_db as db;
use agent_turbo_db::tokio_postgres::Client;

/// Tables whose rows only say what the server they stand on remembers: they are not carried to another one.
pub const DERIVED_TABLES: &[&str] = &["agent_context_cache", "idempotent_requests", "section_changes"];

/// Tables whose rows are in nobody's way: what a server remembers, and what the programs that looked at it measured.
pub const INCIDENTAL_TABLES: &[&str] =
    &["agent_context_cache", "agent_performance_metrics", "idempotent_requests", "section_changes"];

/// Makes restored rows at home on this server: to be called in the restore's transaction, with triggers off.
///
/// Transaction ids of another server mean nothing here. A task keeps its place in the order of changes, below the ids
/// that are still to come; a purge was done by a transaction that is over; and whatever was read before this counts as
/// changed, also where somebody reads it just now. For a minute everybody is told of changes: who listened before
/// this need not know that the tables are others now.
pub async fn settle_restored(client: &Client) -> db::Result<()> {
    let statements = [
        "-- settle_changed_tasks
         UPDATE agent_tasks t SET changed_xid = ranked.xid
         FROM (SELECT task_id, greatest(3, pg_current_xact_id()::text::bigint - dense_rank() OVER (ORDER BY changed_xid DESC) + 1)
                           ::text::xid8 AS xid
               FROM agent_tasks) ranked
         WHERE ranked.task_id = t.task_id",
        "-- settle_purges
         UPDATE action_purges SET xid = pg_current_xact_id()",
        "-- settle_sections
         INSERT INTO section_changes (section, xid) VALUES ('restored', pg_current_xact_id())",
        "-- settle_watches
         SELECT setval(watch, extract(epoch FROM clock_timestamp())::bigint + 60)
         FROM (VALUES ('context_watch'::regclass), ('ready_watch'::regclass), ('change_watch'::regclass)) w (watch)",
        "-- tell_of_restored
         SELECT pg_notify(channel, '') FROM (VALUES ('agent_turbo_context'), ('agent_turbo_changes')) c (channel)",
    ];
    for statement in statements {
        client
            .execute(statement, &[])
            .await
            .map_err(|error| db::Error::of_statement("settle_restored", error))?;
    }
    Ok(())
}

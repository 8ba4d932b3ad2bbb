use agent_turbo_db::{Client, Error, Result, RowExt};
use futures_util::future::{join, join_all};
use serde::{Deserialize, Serialize};

/// Its member of a landing context.
const SECTION: &str = "database_stats";

/// Up to so many rows a count is exact; beyond it is PostgreSQL's estimate.
pub const EXACT_UP_TO: i64 = 10_000;

/// How much of everything there is; `None` is what could not be found out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseStats {
    /// The database on disk, in MiB.
    pub total_size_mb: Option<f64>,
    /// Sessions.
    pub sessions: Option<i64>,
    /// Tasks of all projects.
    pub tasks: Option<i64>,
    /// Entries of knowledge.
    pub knowledge: Option<i64>,
    /// Actions of the audit trail.
    pub actions: Option<i64>,
    /// Machines.
    pub nodes: Option<i64>,
    /// Services, active or not.
    pub services: Option<i64>,
    /// Documents.
    pub documents: Option<i64>,
    /// Which of these counts are estimates.
    pub estimated: Vec<String>,
}

/// A table that is counted.
struct Table {
    statement: &'static str,
    sql: &'static str,
    /// The section that shows its rows, or [`SECTION`]: who is told when it cannot be counted.
    section: &'static str,
    count: fn(&mut DatabaseStats) -> &mut Option<i64>,
}

/// A table by name, as what it is read, and what is said of it. `reltuples` is what the last ANALYZE found, -1 before the
/// first one; of what came since, the activity statistics know more, though they forget everything in a crash.
macro_rules! table {
    ($table:literal, $read_as:literal, $section:expr, $member:ident) => {
        Table {
            statement: concat!("landing_count_", stringify!($member)),
            sql: concat!(
                "-- landing_count_",
                stringify!($member),
                "
                 SELECT CASE WHEN c.reltuples > 10000 THEN c.reltuples
                             ELSE coalesce(exact.rows, greatest(pg_stat_get_live_tuples(c.oid), 10001)) END::bigint
                            AS rows,
                        exact.rows IS NULL AS estimated
                 FROM pg_class AS c LEFT JOIN LATERAL (
                     SELECT nullif(count(*), 10001) AS rows
                     FROM (SELECT FROM ",
                $read_as,
                " WHERE c.reltuples <= 10000 ORDER BY id LIMIT 10001) AS few
                 ) AS exact ON c.reltuples <= 10000
                 WHERE c.oid = '",
                $table,
                "'::regclass"
            ),
            section: $section,
            count: |stats| &mut stats.$member,
        }
    };
}

const TABLES: [Table; 7] = [
    table!("agent_sessions", "agent_sessions", SECTION, sessions),
    table!("agent_tasks", "agent_tasks", "recent_tasks", tasks),
    table!("agent_knowledge", "chunks", "newest_knowledge", knowledge),
    table!("agent_actions", "agent_actions", SECTION, actions),
    table!("system_nodes", "system_nodes", "system_nodes", nodes),
    table!("services", "services", "active_services", services),
    table!("documents", "documents", "documentation_sources", documents),
];

/// What could be found out, and for each table that could not be counted its section and why.
pub(in crate::context) async fn stats(
    client: &Client,
) -> Result<(DatabaseStats, Vec<(&'static str, Error)>)> {
    let size = client.row(
        "landing_size",
        "-- landing_size
         SELECT pg_database_size(current_database())::float8 / 1048576 AS total_size_mb",
        &[],
    );
    let counts = join_all(TABLES.iter().map(|table| client.row(table.statement, table.sql, &[])));
    let (size, counts) = join(size, counts).await;
    let mut stats = DatabaseStats::default();
    let mut errors = Vec::new();
    match size {
        Ok(Some(row)) => stats.total_size_mb = Some(row.column("total_size_mb")?),
        Ok(None) => {}
        Err(error) => errors.push((SECTION, error)),
    }
    for (table, row) in TABLES.iter().zip(counts) {
        match row {
            Ok(Some(row)) => {
                *(table.count)(&mut stats) = Some(row.column("rows")?);
                if row.column("estimated")? {
                    let name = table.statement.trim_start_matches("landing_count_");
                    stats.estimated.push(name.to_owned());
                }
            }
            Ok(None) => {}
            Err(error) => errors.push((table.section, error)),
        }
    }
    Ok((stats, errors))
}

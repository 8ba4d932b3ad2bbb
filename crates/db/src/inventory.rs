//! What of a database is ours, for whoever copies it.

use crate::config::Config;
use crate::migrate::{HISTORY, SchemaState, created, embedded, look, newest};
use crate::row::RowExt;
use crate::{Error, Result};

/// The table in which the migrations are written down.
pub const HISTORY_TABLE: &str = HISTORY;

/// Where our tables are, and what lies beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The schema that holds our tables.
    pub schema: String,
    /// Its newest migration.
    pub version: u32,
    /// The server's major version.
    pub server: u32,
    /// Relations of the same schema that are not ours.
    pub foreign: Vec<String>,
}

impl Inventory {
    /// Looks, and changes nothing: neither is an older schema migrated.
    pub async fn take(config: &Config) -> Result<Self> {
        let (client, state) = look(config).await?;
        let row = client
            .query_one(
                "-- take_inventory
                 SELECT coalesce(current_schema()::text, 'public') AS schema,
                        current_setting('server_version_num')::integer / 10000 AS server",
                &[],
            )
            .await
            .map_err(|error| Error::of_statement("take_inventory", error))?;
        let schema: String = row.column("schema")?;
        let version = match state {
            SchemaState::Missing => return Err(Error::NoSchema { schema }),
            SchemaState::Behind { found: version, .. } | SchemaState::Current { version } => version,
        };
        let ours: Vec<&str> = relations_of(version).chain([HISTORY]).collect();
        let rows = client
            .query(
                "-- foreign_relations
                 SELECT c.relname::text AS name FROM pg_class c
                 WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
                   AND c.relkind = ANY ('{r,p,v,m,S,f}') AND c.relname <> ALL ($2)
                   -- The sequences of our own columns.
                   AND NOT EXISTS (
                       SELECT FROM pg_depend d JOIN pg_class owner ON owner.oid = d.refobjid
                       WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND c.relkind = 'S'
                           AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
                           AND owner.relnamespace = c.relnamespace AND owner.relname = ANY ($2))
                 ORDER BY c.relname",
                &[&schema, &ours],
            )
            .await
            .map_err(|error| Error::of_statement("foreign_relations", error))?;
        let foreign = rows.iter().map(|row| row.column("name")).collect::<Result<_>>()?;
        let server = row.column::<i32>("server")?;
        Ok(Self { schema, version, server: u32::try_from(server).unwrap_or_default(), foreign })
    }
}

/// The tables of a schema at `version`, the history among them.
pub fn tables_of(version: u32) -> Vec<&'static str> {
    created_by(version, "TABLE").chain([HISTORY]).collect()
}

/// The newest migration of a history in COPY's text format (version, name, time, checksum). The history must be one
/// that this program would have written.
pub fn version_of(history: &[impl AsRef<str>]) -> Result<u32> {
    let not_ours = || Error::NotABackup("its migrations are not ours".to_owned());
    let mut applied = Vec::new();
    for row in history {
        let mut fields = row.as_ref().trim_end_matches('\n').split('\t');
        let version: u32 = fields.next().and_then(|version| version.parse().ok()).ok_or_else(not_ours)?;
        let name = fields.next().ok_or_else(not_ours)?;
        let checksum: u64 = fields.nth(1).and_then(|sum| sum.parse().ok()).ok_or_else(not_ours)?;
        applied.push((version, name, checksum));
    }
    applied.sort_unstable();
    let found = applied.last().map_or(0, |(version, ..)| *version);
    let known = newest();
    let runner = embedded::migrations::runner();
    let ours = runner.get_migrations().iter().filter(|migration| migration.version() as u32 <= found);
    let mut expected: Vec<_> =
        ours.map(|migration| (migration.version() as u32, migration.name(), migration.checksum())).collect();
    expected.sort_unstable();
    // Of a newer one we know only the beginning.
    if found == 0 || !applied.starts_with(&expected) {
        return Err(not_ours());
    }
    match found {
        found if found > known => Err(Error::SchemaTooNew { found, known }),
        found if applied.len() == expected.len() => Ok(found),
        _ => Err(not_ours()),
    }
}

/// The names of what the migrations up to `version` create of one kind, such as `FUNCTION`.
pub(crate) fn created_by(version: u32, kind: &str) -> impl Iterator<Item = &'static str> {
    let mut names = Vec::new();
    for (applied, sql) in scripts() {
        if *applied <= version {
            names.extend(created(kind, sql));
        }
    }
    names.into_iter()
}

/// The migrations with their versions, oldest first.
pub(crate) fn scripts() -> &'static [(u32, String)] {
    static SCRIPTS: std::sync::OnceLock<Vec<(u32, String)>> = std::sync::OnceLock::new();
    SCRIPTS.get_or_init(|| {
        let runner = embedded::migrations::runner();
        let migrations = runner.get_migrations().iter();
        let mut scripts: Vec<_> = migrations
            .map(|migration| (migration.version() as u32, migration.sql().unwrap_or_default().to_owned()))
            .collect();
        scripts.sort_unstable();
        scripts
    })
}

fn relations_of(version: u32) -> impl Iterator<Item = &'static str> {
    ["TABLE", "VIEW", "SEQUENCE"].into_iter().flat_map(move |kind| created_by(version, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(versions: u32) -> Vec<String> {
        let runner = embedded::migrations::runner();
        let mut migrations: Vec<_> = runner.get_migrations().iter().collect();
        migrations.sort_by_key(|migration| migration.version());
        let line = |migration: &&refinery::Migration| {
            format!("{}\t{}\tsome time\t{}\n", migration.version(), migration.name(), migration.checksum())
        };
        migrations.iter().take(versions as usize).map(line).collect()
    }

    #[test]
    fn a_history_tells_how_far_a_schema_was_migrated() {
        assert_eq!(version_of(&history(newest())).unwrap(), newest());
        assert_eq!(version_of(&history(3)).unwrap(), 3);
        let mut shuffled = history(4);
        shuffled.reverse();
        assert_eq!(version_of(&shuffled).unwrap(), 4);
    }

    #[test]
    fn a_history_that_is_not_ours_or_of_a_newer_program_is_refused() {
        let mut newer = history(newest());
        newer.push(format!("{}\tthings_to_come\tlater\t1\n", newest() + 1));
        assert!(matches!(version_of(&newer), Err(Error::SchemaTooNew { .. })));
        let with_gap: Vec<_> = history(3).into_iter().skip(1).collect();
        let changed: Vec<_> = history(2).iter().map(|line| line.replace('\n', "1\n")).collect();
        for other in [vec![], vec!["1\n".to_owned()], with_gap, changed, vec!["x\ty\tz\t1".to_owned()]] {
            assert!(matches!(version_of(&other), Err(Error::NotABackup(_))), "{other:?}");
        }
    }

    #[test]
    fn what_the_migrations_create_is_found_in_them() {
        let tables = tables_of(newest());
        assert!(tables.contains(&"agent_tasks") && tables.contains(&HISTORY), "{tables:?}");
        assert!(!tables_of(1).contains(&"agent_tasks"));
        let functions: Vec<_> = created_by(newest(), "FUNCTION").collect();
        assert!(functions.contains(&"purge_actions"), "{functions:?}");
        let sequences: Vec<_> = created_by(newest(), "SEQUENCE").collect();
        assert_eq!(sequences, ["context_watch", "ready_watch", "change_watch"]);
    }
}

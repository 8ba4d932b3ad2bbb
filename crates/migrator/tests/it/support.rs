use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use agent_turbo_embed as embed;
use agent_turbo_knowledge::{Entry, Filter, Project, Store, session_settings};
use agent_turbo_migrator::{Counts, Options, Progress, Report, Result, Verification, import, verify};
use agent_turbo_test_support::{TestDatabase, embedding_client};
use rusqlite::{Connection, params};
use serde_json::Value;
use tempfile::TempDir;

/// A store on a database of the test's own, and a folder for its sources.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) database: TestDatabase,
    pub(crate) dir: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::migrated().await.unwrap();
        let store = open(&database, embedding_client().await.unwrap()).await;
        Self { store, database, dir: tempfile::tempdir().unwrap() }
    }

    /// The same database with another embedding service.
    pub(crate) async fn with_service(&self, url: &str) -> Store {
        let client = embed::Client::new(embed::Config { attempts: 1, ..embed::Config::new(url) }).unwrap();
        open(&self.database, client).await
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A new SQLite file, made by these statements.
    pub(crate) fn source(&self, name: &str, sql: &str) -> Connection {
        let connection = Connection::open(self.path(name)).unwrap();
        connection.execute_batch(sql).unwrap();
        connection
    }

    pub(crate) fn options(&self, name: &str) -> Options {
        Options { rejects: Some(self.path("rejects.jsonl")), ..Options::new(self.path(name)) }
    }

    pub(crate) async fn import(&self, name: &str) -> Result<Report> {
        import(&self.store, &self.options(name), &()).await
    }

    /// Imports everything, and checks that nothing was wrong.
    pub(crate) async fn imported(&self, name: &str) -> Report {
        let report = self.import(name).await.unwrap();
        assert!(report.is_verified() && !report.stopped, "{report:?}");
        assert_eq!(report.counts.read, report.counts.done(), "{report:?}");
        report
    }

    pub(crate) async fn verified(&self, name: &str) -> Verification {
        verify(&self.store, &self.options(name), &()).await.unwrap()
    }

    /// All entries, the first first.
    pub(crate) async fn entries(&self) -> Vec<Entry> {
        let filter = Filter::project(Project::default());
        let mut entries = self.store.list(&filter, 1000, None).await.unwrap().entries;
        entries.reverse();
        entries
    }

    /// The entry with that text.
    pub(crate) async fn entry(&self, content: &str) -> Entry {
        let entries = self.entries().await;
        entries
            .into_iter()
            .find(|entry| entry.content == content)
            .unwrap_or_else(|| panic!("{content:?} is there"))
    }

    pub(crate) fn rejects(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("rejects.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

async fn open(database: &TestDatabase, client: embed::Client) -> Store {
    let db = database.connect(session_settings()).await.unwrap();
    Store::open(db, client, agent_turbo_knowledge::Options::default()).await.unwrap()
}

pub(crate) const ENTRIES: &str =
    "CREATE TABLE entries (id INTEGER PRIMARY KEY, ts REAL, text TEXT, tags JSON, metadata JSON);";

/// So many entries, no two alike.
pub(crate) fn fill(connection: &mut Connection, rows: u64) {
    let transaction = connection.transaction().unwrap();
    for number in 0..rows {
        transaction
            .execute(
                "INSERT INTO entries (ts, text, tags, metadata) VALUES (?1, ?2, '[\"bulk\"]', '{}')",
                params![
                    1_760_000_000.0 + number as f64,
                    format!("Note {number}: the gateway retries {number} times")
                ],
            )
            .unwrap();
    }
    transaction.commit().unwrap();
}

/// Asks for a stop when so many rows are done.
pub(crate) struct StopAfter(pub(crate) u64, AtomicU64);

impl StopAfter {
    pub(crate) fn rows(rows: u64) -> Self {
        Self(rows, AtomicU64::new(0))
    }
}

impl Progress for StopAfter {
    fn rows(&self, done: u64, _of: u64, _counts: &Counts) {
        self.1.store(done, Ordering::Relaxed);
    }

    fn should_stop(&self) -> bool {
        self.1.load(Ordering::Relaxed) >= self.0
    }
}

use std::fmt::Write as _;
use std::time::Duration;

use agent_turbo_db::{Client, Config, ConnectionUrl, Database, Error, Result, RowExt};
use agent_turbo_test_support::TestDatabase;
use tokio::time::{Instant, timeout};

/// By when everything that is waited for must have happened.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A pool on a database of the test's own, a plain connection that watches it, and a table to write to.
pub(crate) struct Fixture {
    pub(crate) db: Database,
    pub(crate) observer: tokio_postgres::Client,
    pub(crate) database: TestDatabase,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(|config| config).await
    }

    pub(crate) async fn with(configure: impl FnOnce(Config) -> Config) -> Self {
        let database = TestDatabase::empty().await.unwrap();
        let observer = database.client().await.unwrap();
        let table = "CREATE TABLE numbers (id integer PRIMARY KEY, n integer NOT NULL CHECK (n >= 0))";
        observer.batch_execute(table).await.unwrap();
        let db = Database::connect(configure(database.config())).await.unwrap();
        Self { db, observer, database }
    }

    /// Server processes of the pool, counted from outside.
    pub(crate) async fn backends(&self) -> i64 {
        self.ask("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
            .await
    }

    /// Kills all connections but the observer's, and returns when their server processes have gone.
    pub(crate) async fn terminate_all(&self) {
        let all: bool = self
            .ask(
                "SELECT coalesce(bool_and(pg_terminate_backend(pid, 10000)), true) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        assert!(all, "every backend ended");
    }

    /// What the rows add up to, for another connection.
    pub(crate) async fn rows(&self) -> i64 {
        self.ask("SELECT count(*) FROM numbers").await
    }

    /// The one value of the one row.
    pub(crate) async fn ask<T: for<'a> agent_turbo_db::types::FromSql<'a>>(&self, query: &str) -> T {
        self.observer.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Waits until a query that yields a boolean says yes.
    pub(crate) async fn until(&self, query: &str) {
        let deadline = Instant::now() + SOON;
        while !self.ask::<bool>(query).await {
            assert!(Instant::now() < deadline, "still not so: {query}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Runs one statement as the layers above do.
pub(crate) async fn execute(client: &Client, statement: &str) -> Result<u64> {
    client.execute(statement, &[]).await.map_err(|error| Error::of_statement("test", error))
}

/// The server process behind a connection.
pub(crate) async fn pid(client: &Client) -> Result<i32> {
    let row = client
        .query_one("SELECT pg_backend_pid() AS pid", &[])
        .await
        .map_err(|error| Error::of_statement("test", error))?;
    row.column("pid")
}

/// `url` with one parameter more.
pub(crate) fn with_parameter(url: &ConnectionUrl, parameter: &str) -> ConnectionUrl {
    let url = url.expose();
    let join = if url.ends_with('?') || !url.contains('?') { "" } else { "&" };
    let mark = if url.contains('?') { "" } else { "?" };
    ConnectionUrl::new(format!("{url}{mark}{join}{parameter}"))
}

/// A port that nobody listens on.
pub(crate) fn dead_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Everything that an error may show of itself, with its sources.
pub(crate) fn everything_shown(error: &Error) -> String {
    let mut shown = format!("{error:?} {:?}", error.hint());
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let _ = write!(shown, " {error} {error:?}");
        next = error.source();
    }
    shown
}

/// Fails the test when `work` takes longer than anything in these tests may.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(SOON, work).await.expect("it ends soon")
}

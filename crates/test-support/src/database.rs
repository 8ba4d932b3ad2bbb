use std::sync::atomic::{AtomicU32, Ordering};

use agent_turbo_db::{self as db, Config, ConnectionUrl, Database};
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tokio_postgres::NoTls;

use crate::cluster;

/// Key of the advisory lock round the template.
const LOCK: i64 = 0x7465_6d70;

/// A database of a test's own, dropped with the value.
pub struct TestDatabase {
    name: String,
    url: ConnectionUrl,
}

impl TestDatabase {
    /// With the schema of this program.
    pub async fn migrated() -> Result<Self> {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let template = TEMPLATE.get_or_try_init(template).await?;
        Self::create(Some(template)).await
    }

    /// With nothing in it.
    pub async fn empty() -> Result<Self> {
        Self::create(None).await
    }

    /// Its connection string.
    pub fn url(&self) -> &ConnectionUrl {
        &self.url
    }

    /// Its connection string over TCP.
    pub async fn tcp_url(&self) -> Result<ConnectionUrl> {
        at(&cluster::shared().await?.tcp_url().expose(), &self.name)
    }

    /// How to open it, with the defaults.
    pub fn config(&self) -> Config {
        Config::new(self.url.clone())
    }

    /// A pool on it, with what knowledge needs of a connection.
    pub async fn connect(&self, settings: Vec<(&'static str, String)>) -> Result<Database> {
        Ok(Database::connect(Config { session_settings: settings, ..self.config() }).await?)
    }

    /// A plain connection, as somebody else's program would have it.
    pub async fn client(&self) -> Result<tokio_postgres::Client> {
        connect(self.url.expose()).await
    }

    async fn create(template: Option<&str>) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let admin = admin().await?;
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await?;
        let template = template.map(|template| format!(" TEMPLATE {template}")).unwrap_or_default();
        admin.batch_execute(&format!("CREATE DATABASE {name}{template}")).await?;
        Ok(Self { url: url_of(&name).await?, name })
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = self.name.clone();
        // Not waited for: this may be the thread of a runtime in which a connection to the database is being opened,
        // and the server would wait for that one. What a process leaves behind, the next one removes.
        std::thread::spawn(move || {
            block_on(async move {
                let admin = admin().await?;
                admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
                Ok::<_, anyhow::Error>(())
            });
        });
    }
}

/// The template of this schema, made by the first test process that needs it.
async fn template() -> Result<String> {
    let name = format!("template_{}", fingerprint()?);
    let admin = admin().await?;
    admin.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})")).await?;
    remove_leftovers(&admin).await?;
    let exists = admin.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await?.is_some();
    if !exists {
        admin.batch_execute("DROP DATABASE IF EXISTS template_unfinished").await?;
        admin.batch_execute("CREATE DATABASE template_unfinished").await?;
        db::migrate(&Config::new(url_of("template_unfinished").await?))
            .await
            .context("migrate the template")?;
        // Nobody else uses it, but the server may still be closing the migration's connection.
        let closing = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'template_unfinished'";
        admin.batch_execute(closing).await?;
        admin.batch_execute(&format!("ALTER DATABASE template_unfinished RENAME TO {name}")).await?;
    }
    Ok(name)
}

/// Databases of test processes that were killed.
async fn remove_leftovers(admin: &tokio_postgres::Client) -> Result<()> {
    let rows = admin.query("SELECT datname::text FROM pg_database WHERE datname LIKE 't\\_%'", &[]).await?;
    for row in rows {
        let name: String = row.get(0);
        let pid =
            name.split('_').nth(1).and_then(|pid| pid.parse().ok()).and_then(rustix::process::Pid::from_raw);
        if pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_err()) {
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        }
    }
    Ok(())
}

/// Changes with every migration.
fn fingerprint() -> Result<String> {
    let mut files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(std::fs::read(file)?);
    }
    Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

async fn url_of(database: &str) -> Result<ConnectionUrl> {
    at(&cluster::shared().await?.url().expose(), database)
}

/// `url` with another database.
fn at(url: &str, database: &str) -> Result<ConnectionUrl> {
    let (server, query) = url.split_once('?').unwrap_or((url, ""));
    let server = server.rsplit_once('/').context("a URL with a database")?.0;
    Ok(ConnectionUrl::new(format!("{server}/{database}?{query}")))
}

async fn admin() -> Result<tokio_postgres::Client> {
    connect(url_of("postgres").await?.expose()).await
}

async fn connect(url: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Runs clean-up from `drop`, where the test's own runtime cannot be blocked on.
pub(crate) fn block_on<E: std::fmt::Debug>(work: impl Future<Output = Result<(), E>> + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
                let _ = runtime.block_on(work);
            }
        });
    });
}

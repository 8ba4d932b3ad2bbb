use std::path::PathBuf;

use agent_turbo_db::ConnectionUrl;
use agent_turbo_stack::{self as stack, Durability, Home, Postgres, PostgresOptions};
use anyhow::{Context, Result};
use tokio::sync::OnceCell;

/// Where the tests' own server and model live: outside any user's home, and shared by all test processes.
pub fn home() -> Home {
    Home::at(root())
}

fn root() -> PathBuf {
    // PostgreSQL may run as another user, who must reach it: the system's temporary folder is open to all.
    std::env::temp_dir().join(format!("agent-turbo-tests-{}", rustix::process::getuid().as_raw()))
}

/// The server that all tests share. What it holds is thrown away, so it need not survive a power failure.
pub(crate) async fn shared() -> Result<&'static Postgres> {
    static SHARED: OnceCell<Postgres> = OnceCell::const_new();
    SHARED
        .get_or_try_init(|| async {
            let options = PostgresOptions { durability: Durability::None, ..PostgresOptions::default() };
            stack::ensure_postgres(&home(), &options, &stack::quiet)
                .await
                .context("start the tests' PostgreSQL")
        })
        .await
}

/// Stops the shared server; the next test starts it again.
pub async fn stop_shared_cluster() -> Result<()> {
    stack::down(&home()).await?;
    Ok(())
}

/// A server of a test's own, to be killed and restarted; gone with its data when it is dropped.
pub struct PrivateCluster {
    home: Home,
    _dir: tempfile::TempDir,
}

impl PrivateCluster {
    /// An empty server, durable as a user's is.
    pub async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("at-").tempdir()?;
        open_to_all(dir.path())?;
        // The packages that the shared server was made of serve here too.
        shared().await?;
        let cluster =
            Self { home: Home::at(dir.path().join("home")).with_wheels(root().join("wheels")), _dir: dir };
        cluster.postgres().await?;
        Ok(cluster)
    }

    /// The running server, started if need be.
    pub async fn postgres(&self) -> Result<Postgres> {
        Ok(stack::ensure_postgres(&self.home, &PostgresOptions::default(), &stack::quiet).await?)
    }

    /// Where it is.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Its connection string.
    pub async fn url(&self) -> Result<ConnectionUrl> {
        Ok(ConnectionUrl::new(self.postgres().await?.url().expose()))
    }

    /// Kills the server's main process as a crash would, and returns when nobody answers any more.
    pub async fn kill(&self) -> Result<()> {
        let postgres = self.postgres().await?;
        let pid = rustix::process::Pid::from_raw(i32::try_from(postgres.pid())?).context("a pid")?;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
        while tokio::net::TcpStream::connect(("127.0.0.1", postgres.port())).await.is_ok() {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        let home = self.home.clone();
        crate::database::block_on(async move { stack::down(&home).await.map(drop) });
    }
}

fn open_to_all(dir: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use tokio_postgres::NoTls;

use crate::config::Config;
use crate::retry::{Retry, Retryable};
use crate::target::{SslMode, Target};
use crate::{Error, Result, tls};

/// How long after the server's own limit an attempt is given up here: the server was to answer by then.
const GRACE: Duration = Duration::from_secs(3);
/// A connection above `pool_min` that was not used for so long is closed.
const IDLE: Duration = Duration::from_mins(5);
const MAINTENANCE: Duration = Duration::from_secs(30);
/// A bare COMMIT of a failed transaction rolls back and reports success; the empty SELECT before it makes that an error.
const COMMIT: &str = "SELECT; COMMIT";

/// A pool of connections to one database. Clones share it.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    pool: Pool,
    target: Target,
    config: Config,
}

/// How many connections a pool holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// Open connections, idle or in use.
    pub open: usize,
    /// Those of them that nobody uses.
    pub idle: usize,
    /// The upper bound.
    pub max: usize,
}

/// A connection on loan from the pool, with prepared statements cached; clones are the same connection.
#[derive(Clone)]
pub struct Client(Arc<Loan>);

struct Loan {
    object: Option<Object>,
    /// Set while the connection is in a state that nobody else may inherit.
    unfinished: AtomicBool,
}

/// A [`Client`] between BEGIN and COMMIT.
pub type Transaction = Client;

impl Database {
    /// Opens `pool_min` connections, so that a server that cannot be used is found out here.
    pub async fn connect(config: Config) -> Result<Self> {
        let target = Target::from_config(&config)?;
        if config.pool_min == 0 || config.pool_min > config.pool_max {
            return Err(Error::Config(format!(
                "pool_min is {}, pool_max is {}: at least 1 and at most pool_max is needed",
                config.pool_min, config.pool_max
            )));
        }
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = if target.ssl_mode == SslMode::Disable {
            Manager::from_config(target.driver.clone(), NoTls, recycling)
        } else {
            Manager::from_config(target.driver.clone(), tls::connector(&target)?, recycling)
        };
        let pool = Pool::builder(manager)
            .max_size(config.pool_max)
            .wait_timeout(Some(config.wait_timeout))
            .create_timeout(Some(config.connect_timeout + GRACE))
            .recycle_timeout(Some(config.connect_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Config(error.to_string()))?;
        let database = Self(Arc::new(Inner { pool, target, config }));
        database.warm().await?;
        tokio::spawn(maintain(Arc::downgrade(&database.0)));
        Ok(database)
    }

    /// Opens connections until `pool_min` are open, also in the place of idle ones that the server has closed.
    pub async fn warm(&self) -> Result<()> {
        let PoolStatus { open, idle, .. } = self.status();
        let wanted = self.0.config.pool_min.saturating_sub(open.saturating_sub(idle));
        // All are held until the last is open, or the pool would hand out the first one again.
        futures_util::future::try_join_all((0..wanted).map(|_| self.client())).await?;
        Ok(())
    }

    /// A connection, for work that needs no retry; waits at most `wait_timeout`.
    #[tracing::instrument(name = "db.client", skip_all, level = "debug")]
    pub async fn client(&self) -> Result<Client> {
        let object = self.0.pool.get().await.map_err(|error| self.pool_error(error))?;
        Ok(Client(Arc::new(Loan { object: Some(object), unfinished: AtomicBool::new(false) })))
    }

    /// Runs `body`, a statement of its own transaction, again after a lost connection, a serialization failure or a
    /// deadlock. An attempt whose answer was lost may have happened: `body` must be safe to repeat.
    #[tracing::instrument(name = "db.run", skip_all, fields(name), level = "debug")]
    pub async fn run<T, E, F, Fut>(&self, name: &'static str, mut body: F) -> Result<T, E>
    where
        E: Retryable,
        F: FnMut(Client) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.again(name, |client| statement(client.clone(), body(client))).await
    }

    /// Runs `body` between BEGIN and COMMIT, and again after a lost connection, a serialization failure or a deadlock.
    ///
    /// An error rolls everything back, and so does dropping the future. `body` must hand on the errors of its
    /// statements. When the connection breaks during COMMIT the outcome is [`Error::CommitUnknown`] and not retried.
    #[tracing::instrument(name = "db.run_tx", skip_all, fields(name), level = "debug")]
    pub async fn run_tx<T, E, F, Fut>(&self, name: &'static str, mut body: F) -> Result<T, E>
    where
        E: Retryable,
        F: FnMut(Transaction) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.again(name, |client| transaction(name, client.clone(), body(client))).await
    }

    /// How many connections are open.
    pub fn status(&self) -> PoolStatus {
        let status = self.0.pool.status();
        PoolStatus { open: status.size, idle: status.available, max: status.max_size }
    }

    /// What it was opened with.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Closes all connections; what is on loan is closed when it comes back.
    pub fn close(&self) {
        self.0.pool.close();
    }

    pub(crate) fn target(&self) -> &Target {
        &self.0.target
    }

    /// Attempts until one succeeds or fails for good.
    async fn again<T, E, F, Fut>(&self, name: &'static str, mut attempt: F) -> Result<T, E>
    where
        E: Retryable,
        F: FnMut(Client) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut retry = Retry::new(name);
        loop {
            let outcome = match self.client().await {
                Ok(client) => self.bounded(name, attempt(client)).await,
                Err(error) => Err(error.into()),
            };
            match outcome {
                Err(error) => match error.database_error() {
                    Some(cause) if retry.pause_after(cause).await => {}
                    _ => return Err(error),
                },
                done => return done,
            }
        }
    }

    /// Bounds one attempt on this side too: a server that hangs enforces no limit of its own.
    async fn bounded<T, E: From<Error>>(
        &self,
        name: &'static str,
        attempt: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let limit = self.0.config.statement_timeout + GRACE;
        match tokio::time::timeout(limit, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Timeout { name, limit }.into()),
        }
    }

    fn pool_error(&self, error: PoolError) -> Error {
        match error {
            PoolError::Backend(source) => Error::of_connect(&self.0.target.name(), source),
            PoolError::Timeout(TimeoutType::Wait) => {
                Error::PoolTimeout { max: self.0.config.pool_max, waited: self.0.config.wait_timeout }
            }
            PoolError::Timeout(_) => {
                Error::Timeout { name: "connect", limit: self.0.config.connect_timeout + GRACE }
            }
            other => Error::Config(other.to_string()),
        }
    }
}

/// One attempt outside a transaction. Given up in the middle, the connection goes with it: nobody else is to wait for
/// what still runs on it.
async fn statement<T, E>(client: Client, body: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    client.0.unfinished.store(true, Ordering::Relaxed);
    let outcome = body.await;
    client.0.unfinished.store(false, Ordering::Relaxed);
    outcome
}

/// One BEGIN … COMMIT. BEGIN travels in the same packet as the body's first statement.
async fn transaction<T, E: Retryable>(
    name: &'static str,
    client: Client,
    body: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    client.0.unfinished.store(true, Ordering::Relaxed);
    let (begun, outcome) = futures_util::future::join(client.batch_execute("BEGIN"), body).await;
    begun.map_err(|error| Error::of_statement(name, error))?;
    match outcome {
        Ok(value) => {
            client.batch_execute(COMMIT).await.map_err(|error| match Error::of_statement(name, error) {
                Error::ConnectionLost { name, source } => Error::CommitUnknown { name, source },
                other => other,
            })?;
            client.0.unfinished.store(false, Ordering::Relaxed);
            Ok(value)
        }
        Err(error) => {
            if client.batch_execute("ROLLBACK").await.is_ok() {
                client.0.unfinished.store(false, Ordering::Relaxed);
            }
            Err(error)
        }
    }
}

/// Keeps `pool_min` connections open and closes the idle ones above it.
async fn maintain(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(MAINTENANCE).await;
        let Some(inner) = inner.upgrade() else { return };
        if inner.pool.is_closed() {
            return;
        }
        let mut spare = inner.pool.status().size.saturating_sub(inner.config.pool_min);
        inner.pool.retain(|_, metrics| {
            let close = spare > 0 && metrics.last_used() > IDLE;
            spare -= usize::from(close);
            !close
        });
        if let Err(error) = Database(inner).warm().await {
            tracing::debug!(%error, "db.warm");
        }
    }
}

impl Deref for Client {
    type Target = deadpool_postgres::ClientWrapper;

    fn deref(&self) -> &Self::Target {
        // The object leaves its loan in `Drop` alone.
        #[expect(clippy::expect_used, reason = "see above")]
        self.0.object.as_ref().expect("a loan has its object until it is dropped")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if self.unfinished.load(Ordering::Relaxed)
            && let Some(object) = self.object.take()
        {
            // Taken out of the pool and closed: the server rolls back.
            drop(Object::take(object));
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("target", &self.0.target.name())
            .field("status", &self.status())
            .finish()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

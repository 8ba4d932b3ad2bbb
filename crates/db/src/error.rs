use std::time::Duration;

use tokio_postgres::error::SqlState;

/// What can go wrong between this program and its database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used as it is.
    #[error("use the database configuration: {0}")]
    Config(String),
    /// TLS could not be set up, or the server's certificate was refused.
    #[error("set up TLS to the database: {0}")]
    Tls(String),
    /// No server answers there.
    #[error("reach the database at {target}")]
    Unreachable {
        /// Host and port, never the password.
        target: String,
        /// What the driver said.
        source: tokio_postgres::Error,
    },
    /// The server answers and refuses this user, password or database.
    #[error("log in to the database at {target}")]
    Refused {
        /// Host and port, never the password.
        target: String,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// The server is older than what the schema needs.
    #[error("use a server of version {found}: PostgreSQL {needed} or newer is needed")]
    ServerTooOld {
        /// Its `server_version`.
        found: String,
        /// The oldest major version that works.
        needed: i32,
    },
    /// pgvector is not installed there, or too old.
    #[error("use pgvector on this server: {0}")]
    Pgvector(String),
    /// A table of ours would take the place of somebody else's.
    #[error("create the schema: {}.{table} exists and is not ours", .schema)]
    ForeignTable {
        /// The schema that was to be filled.
        schema: String,
        /// The table in the way.
        table: String,
    },
    /// The schema was migrated by a newer program.
    #[error("use a schema of version {found}: this program knows versions up to {known}")]
    SchemaTooNew {
        /// The newest migration applied there.
        found: u32,
        /// The newest migration that this program has.
        known: u32,
    },
    /// A migration failed; what it did was rolled back.
    #[error("migrate the schema")]
    Migration(#[source] Box<refinery::Error>),
    /// What was given as a backup is none of ours, or is not whole.
    #[error("read the backup: {0}")]
    NotABackup(String),
    /// There is nothing to back up.
    #[error("find anything of ours in the schema {schema}")]
    NoSchema {
        /// Where it was looked for.
        schema: String,
    },
    /// A backup is to be restored where there is something already.
    #[error("restore over what is there: {schema}.{table} has rows")]
    Occupied {
        /// The schema that was to be filled.
        schema: String,
        /// The first table with rows.
        table: String,
    },
    /// Something of somebody else's stands on our tables, and would go with them.
    #[error("replace the tables: {what} depends on them, and is not ours")]
    Depended {
        /// As PostgreSQL describes it.
        what: String,
    },
    /// Other programs hold what is to be replaced.
    #[error("replace the tables: other programs are using them")]
    InUse {
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// Every connection stayed in use for as long as the caller may wait.
    #[error("get one of the pool's {max} connections within {waited:?}")]
    PoolTimeout {
        /// The pool's upper bound.
        max: usize,
        /// How long the caller waited.
        waited: Duration,
    },
    /// The server did not finish in time; a transaction that was being committed may have been.
    #[error("finish {name} within {limit:?}")]
    Timeout {
        /// The statement or transaction.
        name: &'static str,
        /// The bound that was passed.
        limit: Duration,
    },
    /// The connection broke, also after bounded retries.
    #[error("keep a connection for {name}")]
    ConnectionLost {
        /// The statement or transaction.
        name: &'static str,
        /// What the driver said.
        source: tokio_postgres::Error,
    },
    /// The connection broke while the commit was under way: it may or may not have happened.
    #[error("learn whether {name} was committed")]
    CommitUnknown {
        /// The transaction.
        name: &'static str,
        /// What the driver said.
        source: tokio_postgres::Error,
    },
    /// Somebody else's change is in the way: a duplicate key, or serialization failures beyond the retries.
    #[error("run {name} against concurrent or existing rows")]
    Conflict {
        /// The statement or transaction.
        name: &'static str,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// The server refuses the values.
    #[error("run {name} with these values")]
    BadInput {
        /// The statement or transaction.
        name: &'static str,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// The server accepts no writes: a replica, or read-only by setting.
    #[error("write on a read-only server ({name})")]
    ReadOnly {
        /// The statement or transaction.
        name: &'static str,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// The disk of the server is full; what was acknowledged is there, this was not done.
    #[error("run {name}: the disk of the database server is full")]
    DiskFull {
        /// The statement or transaction.
        name: &'static str,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// The memory of the server or its connections are used up.
    #[error("run {name}: the server is out of resources")]
    OutOfResources {
        /// The statement or transaction.
        name: &'static str,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// Anything else the server or the driver says.
    #[error("run {name}")]
    Statement {
        /// The statement or transaction.
        name: &'static str,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// A row does not have the column, or not with the type, that the program expects.
    #[error("read column {column} of a row")]
    CorruptRow {
        /// The column's name.
        column: String,
        /// What the driver said.
        source: tokio_postgres::Error,
    },
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The way out, where there is one that can be told in general.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Config(_) => {
                "DATABASE_URL looks like postgresql://user:password@host:5432/database?sslmode=verify-full"
            }
            Self::Tls(_) => "check sslmode and sslrootcert in DATABASE_URL, and the server's certificate",
            Self::Unreachable { .. } => {
                "is the server running, and is the address in DATABASE_URL right? Without DATABASE_URL the embedded \
                 PostgreSQL is used"
            }
            Self::Refused { .. } => "check user, password and database name in DATABASE_URL",
            Self::ServerTooOld { .. } => {
                "upgrade the server, or unset DATABASE_URL to use the embedded PostgreSQL"
            }
            Self::Pgvector(_) => {
                "install pgvector 0.8 or newer on the server (Debian: postgresql-NN-pgvector; macOS: brew install \
                 pgvector) and let a superuser run CREATE EXTENSION vector, or unset DATABASE_URL"
            }
            Self::ForeignTable { .. } => {
                "nothing was changed. Set AGENT_TURBO_SCHEMA (or schema in the configuration) to a schema of one's own"
            }
            Self::SchemaTooNew { .. } => "update agent-turbo: a newer one has migrated this database",
            Self::NotABackup(_) => {
                "nothing was changed. Give a file that `agent-turbo backup` made, and its whole"
            }
            Self::NoSchema { .. } => {
                "is the database in DATABASE_URL, and the schema in AGENT_TURBO_SCHEMA, the right one?"
            }
            Self::Occupied { .. } => {
                "nothing was changed. Restore into an empty database or schema, or let what is there go with --replace"
            }
            Self::Depended { .. } => {
                "nothing was changed. Drop it, or move it elsewhere, and create it anew afterwards"
            }
            Self::InUse { .. } => {
                "nothing was changed. End the transactions that are open there, and try again"
            }
            Self::PoolTimeout { .. } => "raise pool_max, or look for work that keeps its connection too long",
            Self::ReadOnly { .. } => {
                "connect to the primary: list several hosts in DATABASE_URL with target_session_attrs=read-write"
            }
            Self::DiskFull { .. } => {
                "free some space on the disk that holds the database's files, and repeat it: nothing that was \
                 acknowledged is lost"
            }
            Self::OutOfResources { .. } => "look at the server's memory and max_connections",
            Self::CommitUnknown { .. } => {
                "repeat it: writes carry a hash or a key that makes a repetition safe"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Sorts what the driver reports about the statement or transaction `name`.
    pub fn of_statement(name: &'static str, source: tokio_postgres::Error) -> Self {
        let Some(code) = source.code() else {
            return if source.is_closed() || is_io(&source) {
                Self::ConnectionLost { name, source }
            } else {
                Self::Statement { name, source }
            };
        };
        match *code {
            SqlState::UNIQUE_VIOLATION
            | SqlState::EXCLUSION_VIOLATION
            | SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED => Self::Conflict { name, source },
            SqlState::READ_ONLY_SQL_TRANSACTION => Self::ReadOnly { name, source },
            SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CANNOT_CONNECT_NOW
            | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => Self::ConnectionLost { name, source },
            SqlState::DISK_FULL => Self::DiskFull { name, source },
            _ => match code.code().get(..2) {
                Some("08") => Self::ConnectionLost { name, source },
                Some("22" | "23") => Self::BadInput { name, source },
                Some("53") => Self::OutOfResources { name, source },
                _ => Self::Statement { name, source },
            },
        }
    }

    /// Sorts what the driver reports when a connection could not be opened.
    pub(crate) fn of_connect(target: &str, source: tokio_postgres::Error) -> Self {
        let target = target.to_owned();
        // A new connection may have to write down what it has read of the catalogues.
        if source.code() == Some(&SqlState::DISK_FULL) {
            return Self::DiskFull { name: "connect", source };
        }
        match source.code().and_then(|code| code.code().get(..2)) {
            // 28: authorisation, 3D: no such database, 42: no privilege.
            Some("28" | "3D" | "42") => Self::Refused { target, source },
            None if is_authentication(&source) => Self::Refused { target, source },
            _ if is_tls(&source) => Self::Tls(chain(&source)),
            _ => Self::Unreachable { target, source },
        }
    }

    /// The server's SQLSTATE, when it sent one.
    pub fn sqlstate(&self) -> Option<&SqlState> {
        match self {
            Self::Unreachable { source, .. }
            | Self::Refused { source, .. }
            | Self::ConnectionLost { source, .. }
            | Self::CommitUnknown { source, .. }
            | Self::Conflict { source, .. }
            | Self::InUse { source }
            | Self::BadInput { source, .. }
            | Self::ReadOnly { source, .. }
            | Self::DiskFull { source, .. }
            | Self::OutOfResources { source, .. }
            | Self::Statement { source, .. } => source.code(),
            _ => None,
        }
    }

    /// Whether the database could not be used at all, so that another attempt later may succeed.
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::ConnectionLost { .. }
                | Self::PoolTimeout { .. }
                | Self::Timeout { .. }
        )
    }
}

fn sources<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    sources(error).any(<dyn std::error::Error + 'static>::is::<std::io::Error>)
}

fn is_tls(error: &tokio_postgres::Error) -> bool {
    error.to_string().contains("TLS")
        || sources(error).any(|source| {
            source.is::<rustls::Error>()
                || source
                    .downcast_ref::<std::io::Error>()
                    .and_then(|io| io.get_ref())
                    .is_some_and(<dyn std::error::Error + Send + Sync + 'static>::is::<rustls::Error>)
        })
}

fn is_authentication(error: &tokio_postgres::Error) -> bool {
    sources(error).any(|source| {
        let text = source.to_string();
        text.contains("authentication") || text.contains("password missing")
    })
}

pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    sources(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

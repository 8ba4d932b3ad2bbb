//! PostgreSQL access: pool, transactions with retry, migrations, notifications, rows by column name.
//!
//! Knows no domain: the tables' names stand in the migrations, their meaning in the crates above.

mod config;
mod connection_url;
mod copy;
mod database;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod inventory;
mod libpq;
mod listen;
mod migrate;
mod restore;
mod retry;
mod row;
mod statement;
mod target;
mod tls;

pub use config::Config;
pub use connection_url::ConnectionUrl;
pub use copy::CopyBlock;
pub use database::{Client, Database, PoolStatus, Transaction};
pub use error::{Error, Result};
pub use inventory::{HISTORY_TABLE, Inventory, tables_of, version_of};
pub use libpq::LibpqEnvironment;
pub use listen::{Event, Listener};
pub use migrate::{SchemaState, migrate, schema_state};
pub use restore::Restore;
pub use retry::Retryable;
pub use row::RowExt;
pub use statement::Params;
pub use tokio_postgres::{self, Row, types};

//! The embedded default: a private PostgreSQL 18 with pgvector and an embedding service, for machines that
//! have neither.
//!
//! Both are started on demand, shared by all processes of the user, survive the command that started them, and
//! live under one folder, the [`Home`]. [`ensure_postgres`] and [`ensure_embedder`] return at once when the
//! service already runs; otherwise whoever gets the lock starts it and everybody else waits for that.
//!
//! This crate must not know the domain: no table, no SQL beyond creating its empty database, no vectors. It does
//! not connect as a client either; it hands out a [`ConnectionUrl`].

mod blocking;
mod down;
mod embedder;
mod error;
mod files;
mod health;
mod hex;
mod home;
mod lock;
mod logs;
mod model;
mod pip;
mod port;
mod postgres;
mod process;
mod progress;
mod status;
mod unpack;
mod url;
mod user;
mod wheel;

pub use down::{DownReport, Stopped, down};
pub use embedder::{Embedder, EmbedderOptions, ensure_embedder};
pub use error::Error;
pub use home::Home;
pub use model::{DEFAULT_MODEL, ensure_model};
pub use postgres::{
    ArchivedTable, Archiver, DumpOptions, Durability, Postgres, PostgresOptions, ensure_postgres,
};
pub use progress::{Progress, Step, quiet};
pub use status::{EmbedderStatus, PostgresStatus, Status, status};
pub use url::ConnectionUrl;

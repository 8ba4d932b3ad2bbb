//! The pool, transactions, migrations and notifications against real servers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod connecting;
mod faults;
mod listening;
mod migrating;
mod pool;
mod schema;
mod support;
mod tls;
mod transactions;

//! For tests only: a database per test, an embedding service with the real model, and services that misbehave.
//!
//! One PostgreSQL cluster serves all test processes; each test gets a database cloned from a migrated template, and
//! drops it. What is missing is downloaded as for any user; a failure fails the test.

mod cluster;
mod database;
mod misbehaving;
mod model;
mod small_model;

pub use cluster::{PrivateCluster, home, stop_shared_cluster};
pub use database::TestDatabase;
pub use misbehaving::{Behaviour, Misbehaving};
pub use model::{embedder, embedding_client, model_dir, small_embedder};
pub use small_model::{SMALL_DIMENSIONS, SMALL_MODEL, write_small_model};

//! For tests only: a database per test and an embedding service with the real model.

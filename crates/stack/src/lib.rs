//! The embedded default: a private PostgreSQL with pgvector and an embedding service, started on demand.

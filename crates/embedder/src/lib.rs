//! The embedding service: sentence models from safetensors behind a small HTTP API.

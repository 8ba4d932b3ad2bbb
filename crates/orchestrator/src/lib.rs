//! Who works where: the machines that agents run on.
//!
//! Owns `system_nodes`. Knows nothing of knowledge or embeddings.

mod error;
mod node;

pub use error::{Error, Result};
pub use node::{Node, count_nodes, node_named, register_node};

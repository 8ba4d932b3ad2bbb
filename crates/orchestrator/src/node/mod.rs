mod hardware;
mod list;
mod register;
mod remove;

use agent_turbo_db::{Result, Row, RowExt};
use jiff::Timestamp;
use serde::Serialize;

pub use remove::RemovedNode;

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// Its host name.
    pub node_name: String,
    /// What it is for.
    pub node_role: String,
    /// Its processor, as it calls itself.
    pub cpu_model: Option<String>,
    /// Logical processors.
    pub cpu_cores_total: Option<i32>,
    /// Memory, in GiB.
    pub ram_gb: Option<f64>,
    /// Its disks together, in TB (10¹² bytes).
    pub storage_internal_tb: Option<f64>,
    /// The machine's make, where it says so.
    pub model_name: Option<String>,
    /// Its graphics processors, where the system lists them.
    pub gpu_model: Option<String>,
}

/// A machine, as it is registered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KnownNode {
    /// The machine.
    #[serde(flatten)]
    pub node: Node,
    /// When it was first registered.
    pub created_at: Timestamp,
    /// When it last was.
    pub last_seen: Timestamp,
}

/// What [`KnownNode::from_row`] reads.
macro_rules! node_columns {
    () => {
        "n.node_name, n.node_role, n.cpu_model, n.cpu_cores_total, n.ram_gb, n.storage_internal_tb, n.model_name, \
         n.gpu_model, n.created_at, n.last_seen"
    };
}
pub(crate) use node_columns;

impl KnownNode {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            node: Node {
                node_name: row.column("node_name")?,
                node_role: row.column("node_role")?,
                cpu_model: row.column("cpu_model")?,
                cpu_cores_total: row.column("cpu_cores_total")?,
                ram_gb: row.column("ram_gb")?,
                storage_internal_tb: row.column("storage_internal_tb")?,
                model_name: row.column("model_name")?,
                gpu_model: row.column("gpu_model")?,
            },
            created_at: row.column("created_at")?,
            last_seen: row.column("last_seen")?,
        })
    }
}

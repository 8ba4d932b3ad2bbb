use agent_turbo_db::{Client, Result, Row, RowExt};
use serde::{Deserialize, Serialize};

use super::{Item, read};

/// Machines at the most.
pub const MAX_NODES: usize = 50;

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextNode {
    /// Its host name.
    pub node_name: String,
    /// What it is for.
    pub node_role: String,
    /// Its processor.
    pub cpu_model: Option<String>,
    /// Logical processors.
    pub cpu_cores_total: Option<i32>,
    /// Memory, in GiB.
    pub ram_gb: Option<f64>,
    /// Its disks together, in TB (10¹² bytes).
    pub storage_internal_tb: Option<f64>,
    /// The machine's make.
    pub model_name: Option<String>,
    /// Its graphics processors.
    pub gpu_model: Option<String>,
}

pub(in crate::context) async fn nodes(client: &Client) -> Result<Vec<ContextNode>> {
    read(
        client,
        "landing_nodes",
        "-- landing_nodes
         SELECT node_name, node_role, cpu_model, cpu_cores_total, ram_gb, storage_internal_tb, model_name, gpu_model
         FROM system_nodes ORDER BY node_name LIMIT 50",
        &[],
    )
    .await
}

impl Item for ContextNode {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            node_name: row.column("node_name")?,
            node_role: row.column("node_role")?,
            cpu_model: row.column("cpu_model")?,
            cpu_cores_total: row.column("cpu_cores_total")?,
            ram_gb: row.column("ram_gb")?,
            storage_internal_tb: row.column("storage_internal_tb")?,
            model_name: row.column("model_name")?,
            gpu_model: row.column("gpu_model")?,
        })
    }
}

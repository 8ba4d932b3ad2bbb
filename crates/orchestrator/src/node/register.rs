use agent_turbo_db::{Database, RowExt};

use super::Node;
use crate::Result;

/// Writes a machine down, or brings its row up to date; a role that somebody gave it stays.
#[tracing::instrument(name = "orchestrator.register_node", skip_all, fields(node = node.node_name))]
pub async fn register_node(db: &Database, node: &Node) -> Result<()> {
    db.execute(
        "register_node",
        "-- register_node
         INSERT INTO system_nodes AS n (node_name, node_role, cpu_model, cpu_cores_total, ram_gb,
                                        storage_internal_tb, model_name, gpu_model)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (node_name) DO UPDATE
         SET cpu_model = EXCLUDED.cpu_model, cpu_cores_total = EXCLUDED.cpu_cores_total, ram_gb = EXCLUDED.ram_gb,
             storage_internal_tb = EXCLUDED.storage_internal_tb, model_name = EXCLUDED.model_name,
             gpu_model = EXCLUDED.gpu_model, last_seen = now()",
        &[
            &node.node_name,
            &node.node_role,
            &node.cpu_model,
            &node.cpu_cores_total,
            &node.ram_gb,
            &node.storage_internal_tb,
            &node.model_name,
            &node.gpu_model,
        ],
    )
    .await?;
    Ok(())
}

/// How many machines are known.
#[tracing::instrument(name = "orchestrator.count_nodes", skip_all)]
pub async fn count_nodes(db: &Database) -> Result<i64> {
    let row = db
        .query_opt("count_nodes", "-- count_nodes\nSELECT count(*) AS count FROM system_nodes", &[])
        .await?;
    Ok(row.map_or(Ok(0), |row| row.column("count"))?)
}

/// The machine of this name.
#[tracing::instrument(name = "orchestrator.node_named", skip_all)]
pub async fn node_named(db: &Database, name: &str) -> Result<Option<Node>> {
    let row = db
        .query_opt(
            "node_named",
            "-- node_named
             SELECT node_name, node_role, cpu_model, cpu_cores_total, ram_gb, storage_internal_tb, model_name,
                    gpu_model
             FROM system_nodes WHERE node_name = $1",
            &[&name],
        )
        .await?;
    Ok(row.as_ref().map(Node::from_row).transpose()?)
}

use super::{KnownNode, Node, node_columns};
use crate::name::check_name;
use crate::{Error, Orchestrator, Result};

impl Orchestrator {
    /// Writes a machine down, or brings its row up to date; a role that somebody gave it stays.
    #[tracing::instrument(name = "orchestrator.register_node", skip_all, fields(node = node.node_name))]
    pub async fn register_node(&self, node: &Node) -> Result<KnownNode> {
        self.write_node(node, None).await
    }

    /// The same, and from now on the machine is for `role`.
    #[tracing::instrument(name = "orchestrator.register_node_as", skip_all, fields(node = node.node_name, role))]
    pub async fn register_node_as(&self, node: &Node, role: &str) -> Result<KnownNode> {
        self.write_node(node, Some(role)).await
    }

    async fn write_node(&self, node: &Node, role: Option<&str>) -> Result<KnownNode> {
        check_name("the machine's name", &node.node_name)?;
        check_name("the machine's role", role.unwrap_or(&node.node_role))?;
        let row = self
            .changing()
            .query_opt(
                "register_node",
                concat!(
                    "-- register_node
                     INSERT INTO system_nodes AS n (node_name, node_role, cpu_model, cpu_cores_total, ram_gb,
                                                    storage_internal_tb, model_name, gpu_model)
                     VALUES ($1, coalesce($9, $2), $3, $4, $5, $6, $7, $8)
                     ON CONFLICT (node_name) DO UPDATE
                     SET node_role = coalesce($9, n.node_role), cpu_model = EXCLUDED.cpu_model,
                         cpu_cores_total = EXCLUDED.cpu_cores_total, ram_gb = EXCLUDED.ram_gb,
                         storage_internal_tb = EXCLUDED.storage_internal_tb, model_name = EXCLUDED.model_name,
                         gpu_model = EXCLUDED.gpu_model, last_seen = now()
                     RETURNING ",
                    node_columns!()
                ),
                &[
                    &node.node_name,
                    &node.node_role,
                    &node.cpu_model,
                    &node.cpu_cores_total,
                    &node.ram_gb,
                    &node.storage_internal_tb,
                    &node.model_name,
                    &node.gpu_model,
                    &role,
                ],
            )
            .await?;
        // A rule of the database's owner may swallow the row.
        let row = row.ok_or_else(|| Error::UnknownNode(node.node_name.clone()))?;
        Ok(KnownNode::from_row(&row)?)
    }
}

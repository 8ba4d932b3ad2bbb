use agent_turbo_db::RowExt;
use serde::Serialize;

use super::{KnownNode, node_columns};
use crate::{Orchestrator, Result};

/// What a machine was before it was removed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RemovedNode {
    /// The machine.
    #[serde(flatten)]
    pub node: KnownNode,
    /// How many services were removed with it.
    pub removed_services: i64,
}

impl Orchestrator {
    /// Removes a machine together with its services; `None` when there is none of this name.
    #[tracing::instrument(name = "orchestrator.remove_node", skip_all, fields(name))]
    pub async fn remove_node(&self, name: &str) -> Result<Option<RemovedNode>> {
        let row = self
            .changing()
            .query_opt(
                "remove_node",
                concat!(
                    "-- remove_node
                     DELETE FROM system_nodes AS n WHERE n.node_name = $1
                     RETURNING (SELECT count(*) FROM services AS s WHERE s.node_id = n.id) AS removed_services, ",
                    node_columns!()
                ),
                &[&name],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(RemovedNode {
            node: KnownNode::from_row(&row)?,
            removed_services: row.column("removed_services")?,
        }))
    }
}

use agent_turbo_db::RowExt;

use super::{KnownNode, node_columns};
use crate::{Orchestrator, Result};

impl Orchestrator {
    /// The machines that are registered, by name.
    #[tracing::instrument(name = "orchestrator.list_nodes", skip_all)]
    pub async fn list_nodes(&self) -> Result<Vec<KnownNode>> {
        let rows = self
            .db
            .query(
                "list_nodes",
                concat!(
                    "-- list_nodes\nSELECT ",
                    node_columns!(),
                    " FROM system_nodes AS n ORDER BY n.node_name"
                ),
                &[],
            )
            .await?;
        Ok(rows.iter().map(KnownNode::from_row).collect::<Result<_, _>>()?)
    }

    /// How many machines are registered.
    #[tracing::instrument(name = "orchestrator.count_nodes", skip_all)]
    pub async fn count_nodes(&self) -> Result<i64> {
        let row = self
            .db
            .query_opt("count_nodes", "-- count_nodes\nSELECT count(*) AS count FROM system_nodes", &[])
            .await?;
        Ok(row.map_or(Ok(0), |row| row.column("count"))?)
    }

    /// The machine of this name.
    #[tracing::instrument(name = "orchestrator.node_named", skip_all)]
    pub async fn node_named(&self, name: &str) -> Result<Option<KnownNode>> {
        let row = self
            .db
            .query_opt(
                "node_named",
                concat!(
                    "-- node_named\nSELECT ",
                    node_columns!(),
                    " FROM system_nodes AS n WHERE n.node_name = $1"
                ),
                &[&name],
            )
            .await?;
        Ok(row.as_ref().map(KnownNode::from_row).transpose()?)
    }
}

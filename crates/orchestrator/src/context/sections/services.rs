use agent_turbo_db::{Client, Result, Row, RowExt};
use serde::{Deserialize, Serialize};

use super::{Item, read};

/// Services at the most.
pub const MAX_SERVICES: usize = 50;

/// A service that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextService {
    /// Unique on its machine.
    pub service_name: String,
    /// The machine; `None` where another program wrote none down.
    pub node_name: Option<String>,
    /// Where it listens.
    pub port: Option<i32>,
    /// What kind of service it is.
    pub service_type: Option<String>,
    /// What is asked for its health.
    pub health_url: Option<String>,
}

pub(in crate::context) async fn services(client: &Client) -> Result<Vec<ContextService>> {
    read(
        client,
        "landing_services",
        "-- landing_services
         SELECT s.service_name, n.node_name, s.port, s.service_type, s.health_url
         FROM (SELECT * FROM services WHERE status = 'active' ORDER BY service_name LIMIT 50) AS s
         LEFT JOIN system_nodes AS n ON n.id = s.node_id
         ORDER BY s.service_name, n.node_name, s.id",
        &[],
    )
    .await
}

impl Item for ContextService {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            service_name: row.column("service_name")?,
            node_name: row.column("node_name")?,
            port: row.column("port")?,
            service_type: row.column("service_type")?,
            health_url: row.column("health_url")?,
        })
    }
}

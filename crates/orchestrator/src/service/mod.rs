mod health;
mod list;
mod probe;
mod register;
mod remove;
mod status;

use agent_turbo_db::{Result, Row, RowExt};
use jiff::Timestamp;
use serde::Serialize;

pub use health::PROBE_TIMEOUT;
pub use register::NewService;
pub use status::ServiceStatus;

/// A program that answers on some machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Unique on its machine.
    pub service_name: String,
    /// The machine; `None` where another program wrote none down.
    pub node_name: Option<String>,
    /// Where it listens.
    pub port: Option<u16>,
    /// What kind of service it is, in its owner's words.
    pub service_type: Option<String>,
    /// What is asked for its health, instead of its port.
    pub health_url: Option<String>,
    /// What the last probe found.
    pub status: ServiceStatus,
    /// Why it is not active, if it was probed.
    pub last_error: Option<String>,
    /// When it was first registered.
    pub created_at: Timestamp,
    /// When it was last probed.
    pub checked_at: Option<Timestamp>,
    #[serde(skip)]
    id: i64,
}

/// What [`Service::from_row`] reads, where services are `s` and their machines `n`.
macro_rules! service_columns {
    () => {
        "s.id, s.service_name, n.node_name, s.port, s.service_type, s.health_url, s.status, \
         s.metadata->>'last_error' AS last_error, s.created_at, s.checked_at"
    };
}
pub(crate) use service_columns;

impl Service {
    fn from_row(row: &Row) -> Result<Self> {
        let port: Option<i32> = row.column("port")?;
        Ok(Self {
            service_name: row.column("service_name")?,
            node_name: row.column("node_name")?,
            // A CHECK keeps it within the ports that there are.
            port: port.and_then(|port| port.try_into().ok()),
            service_type: row.column("service_type")?,
            health_url: row.column("health_url")?,
            status: row.column("status")?,
            last_error: row.column("last_error")?,
            created_at: row.column("created_at")?,
            checked_at: row.column("checked_at")?,
            id: row.column("id")?,
        })
    }
}

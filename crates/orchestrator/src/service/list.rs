use super::{Service, service_columns};
use crate::{Orchestrator, Result};

impl Orchestrator {
    /// The services that are registered, by name, as the last probe found them.
    #[tracing::instrument(name = "orchestrator.list_services", skip_all)]
    pub async fn list_services(&self) -> Result<Vec<Service>> {
        let rows = self
            .db
            .query(
                "list_services",
                concat!(
                    "-- list_services\nSELECT ",
                    service_columns!(),
                    " FROM services AS s LEFT JOIN system_nodes AS n ON n.id = s.node_id
                     ORDER BY s.service_name, n.node_name, s.id"
                ),
                &[],
            )
            .await?;
        Ok(rows.iter().map(Service::from_row).collect::<Result<_, _>>()?)
    }

    /// The services of this name, on one machine or on all.
    pub(crate) async fn services_named(&self, name: &str, node: Option<&str>) -> Result<Vec<Service>> {
        let rows = self
            .db
            .query(
                "services_named",
                concat!(
                    "-- services_named\nSELECT ",
                    service_columns!(),
                    " FROM services AS s LEFT JOIN system_nodes AS n ON n.id = s.node_id
                     WHERE s.service_name = $1 AND ($2::text IS NULL OR n.node_name = $2)
                     ORDER BY n.node_name, s.id"
                ),
                &[&name, &node],
            )
            .await?;
        Ok(rows.iter().map(Service::from_row).collect::<Result<_, _>>()?)
    }
}

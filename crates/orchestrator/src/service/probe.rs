use std::future::ready;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::health::{Target, is_loopback, parse_url};
use super::{Service, service_columns};
use crate::{Node, Orchestrator, Result};

/// Services that are asked at the same time.
const AT_ONCE: usize = 8;

impl Orchestrator {
    /// Asks every service whether it is there, and writes down what was found; returns all that are registered.
    #[tracing::instrument(name = "orchestrator.probe_services", skip_all)]
    pub async fn probe_services(&self) -> Result<Vec<Service>> {
        let services = self.list_services().await?;
        self.probe(services).await
    }

    /// The same for the services of one name, which several machines may have; empty when there is none.
    #[tracing::instrument(name = "orchestrator.probe_service", skip_all, fields(name))]
    pub async fn probe_service(&self, name: &str) -> Result<Vec<Service>> {
        let services = self.services_named(name, None).await?;
        self.probe(services).await
    }

    async fn probe(&self, services: Vec<Service>) -> Result<Vec<Service>> {
        let this = Node::this_machine().node_name;
        let probed = services.into_iter().map(|service| self.probe_one(service, &this));
        stream::iter(probed)
            .buffered(AT_ONCE)
            .try_filter_map(|service| ready(Ok(service)))
            .try_collect()
            .await
    }

    /// What cannot be asked from here stays as it was; what is no longer there is left out.
    async fn probe_one(&self, service: Service, this: &str) -> Result<Option<Service>> {
        let Some(target) = service.target(this) else { return Ok(Some(service)) };
        let finding = target.probe().await;
        let row = self
            .changing()
            .query_opt(
                "record_probe",
                // What was asked, and not what somebody put in its place meanwhile.
                concat!(
                    "-- record_probe
                     WITH s AS (
                         UPDATE services
                         SET status = $4, checked_at = now(),
                             metadata = CASE jsonb_typeof(metadata) WHEN 'object' THEN metadata - 'last_error'
                                                                    ELSE '{}' END
                                        || jsonb_strip_nulls(jsonb_build_object('last_error', $5::text))
                         WHERE id = $1 AND port IS NOT DISTINCT FROM $2 AND health_url IS NOT DISTINCT FROM $3
                         RETURNING *)
                     SELECT ",
                    service_columns!(),
                    " FROM s LEFT JOIN system_nodes AS n ON n.id = s.node_id"
                ),
                &[
                    &service.id,
                    &service.port.map(i32::from),
                    &service.health_url,
                    &finding.status.as_str(),
                    &finding.error,
                ],
            )
            .await?;
        if row.is_none() {
            return Ok(self.services_named(&service.service_name, service.node_name.as_deref()).await?.pop());
        }
        Ok(row.as_ref().map(Service::from_row).transpose()?)
    }
}

impl Service {
    /// Where it can be asked from the machine `this`, if it can.
    fn target(&self, this: &str) -> Option<Target> {
        let elsewhere = self.node_name.as_deref().filter(|node| *node != this);
        match (&self.health_url, self.port) {
            // Other programs write rows, too: what is no URL for us is not asked.
            (Some(url), _) => parse_url(url)
                .ok()
                // Loopback over there is not loopback here.
                .filter(|uri| elsewhere.is_none() || !is_loopback(uri))
                .map(Target::Http),
            (None, Some(port)) => Some(Target::Port(elsewhere.map(str::to_owned), port)),
            (None, None) => None,
        }
    }
}

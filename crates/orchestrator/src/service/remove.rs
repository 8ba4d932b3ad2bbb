use super::Service;
use crate::{Error, Orchestrator, Result};

impl Orchestrator {
    /// Forgets a service and returns what it was; `None` when there is none. The machine need be named only where
    /// several have a service of this name.
    #[tracing::instrument(name = "orchestrator.remove_service", skip_all, fields(name, node))]
    pub async fn remove_service(&self, name: &str, node: Option<&str>) -> Result<Option<Service>> {
        let mut found = self.services_named(name, node).await?;
        if found.len() > 1 {
            let nodes: Vec<_> =
                found.iter().map(|service| service.node_name.as_deref().unwrap_or("no machine")).collect();
            return Err(Error::AmbiguousService { name: name.to_owned(), nodes: nodes.join(", ") });
        }
        let Some(service) = found.pop() else { return Ok(None) };
        let removed = self
            .changing()
            .execute(
                "remove_service",
                "-- remove_service
                 DELETE FROM services WHERE id = $1",
                &[&service.id],
            )
            .await?;
        // Nothing removed: somebody else was faster, and it is gone all the same.
        Ok((removed == 1).then_some(service))
    }
}

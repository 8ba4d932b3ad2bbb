use super::health::{Target, is_loopback, parse_url};
use super::{Service, service_columns};
use crate::name::check_name;
use crate::{Error, Node, Orchestrator, Result};

/// A service to be known from now on. It needs a port or a health URL, or nobody could tell whether it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewService {
    /// Unique on its machine.
    pub name: String,
    /// The machine that it runs on; `None` is this one.
    pub node: Option<String>,
    /// Where it listens.
    pub port: Option<u16>,
    /// What kind of service it is.
    pub service_type: Option<String>,
    /// What to ask for its health: an `http` URL that answers 2xx when all is well.
    pub health_url: Option<String>,
}

impl NewService {
    /// With nothing said of it but its name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    fn check(&self) -> Result<Target> {
        check_name("the service's name", &self.name)?;
        if let Some(service_type) = &self.service_type {
            check_name("the service's type", service_type)?;
        }
        if self.port == Some(0) {
            return Err(Error::bad_input("the port", "it is 0; 1 to 65535 can be listened on"));
        }
        match (&self.health_url, self.port) {
            (Some(url), _) => {
                let uri = parse_url(url)?;
                match &self.node {
                    Some(node) if is_loopback(&uri) => Err(Error::bad_input(
                        "the health URL",
                        format!("{url:?} is this machine, and the service is to run on {node}"),
                    )),
                    _ => Ok(Target::Http(uri)),
                }
            }
            (None, Some(port)) => Ok(Target::Port(self.node.clone(), port)),
            (None, None) => Err(Error::bad_input(
                "the service",
                "it has neither a port nor a health URL, so nobody could tell whether it answers",
            )),
        }
    }
}

impl Orchestrator {
    /// Asks a service whether it is there, and writes it down with what was found; one that is known is brought up to
    /// date. Another machine has to be registered, this one is if need be.
    #[tracing::instrument(name = "orchestrator.register_service", skip_all, fields(service = service.name))]
    pub async fn register_service(&self, service: NewService) -> Result<Service> {
        let this = Node::this_machine();
        let service = NewService { node: service.node.filter(|node| *node != this.node_name), ..service };
        let target = service.check()?;
        match &service.node {
            Some(name) if self.node_named(name).await?.is_none() => {
                return Err(Error::UnknownNode(name.clone()));
            }
            Some(_) => {}
            None => drop(self.register_node(&this).await?),
        }
        let finding = target.probe().await;
        let node = service.node.as_deref().unwrap_or(&this.node_name);
        let row = self
            .changing()
            .query_opt(
                "register_service",
                concat!(
                    "-- register_service
                     WITH n AS (SELECT id, node_name FROM system_nodes WHERE node_name = $2), s AS (
                         INSERT INTO services AS s (service_name, node_id, port, service_type, health_url, status,
                                                    metadata, checked_at)
                         SELECT $1, n.id, $3, $4, $5, $6,
                                jsonb_strip_nulls(jsonb_build_object('last_error', $7::text)), now()
                         FROM n
                         ON CONFLICT (service_name, node_id) DO UPDATE
                         SET port = EXCLUDED.port, service_type = coalesce(EXCLUDED.service_type, s.service_type),
                             health_url = EXCLUDED.health_url, status = EXCLUDED.status,
                             metadata = CASE jsonb_typeof(s.metadata) WHEN 'object' THEN s.metadata - 'last_error'
                                                                      ELSE '{}' END || EXCLUDED.metadata,
                             checked_at = EXCLUDED.checked_at
                         RETURNING s.*)
                     SELECT ",
                    service_columns!(),
                    " FROM s, n"
                ),
                &[
                    &service.name,
                    &node,
                    &service.port.map(i32::from),
                    &service.service_type,
                    &service.health_url,
                    &finding.status.as_str(),
                    &finding.error,
                ],
            )
            .await?;
        // Somebody removed the machine meanwhile.
        let row = row.ok_or_else(|| Error::UnknownNode(node.to_owned()))?;
        Ok(Service::from_row(&row)?)
    }
}

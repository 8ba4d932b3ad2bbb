//! Machines, and what runs there. They are nobody's project: everybody may look, and change them may who sees all.

use agent_turbo_orchestrator::{NewService, Node};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Body, Id, Params, json, ok};
use super::page::Items;
use super::problem::{Problem, Problems};
use super::schema;
use super::state::State;
use crate::caller::Caller;

/// A machine.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeToKnow {
    /// What it is for.
    node_role: String,
    /// Its processor.
    cpu_model: Option<String>,
    /// Logical processors.
    cpu_cores_total: Option<i32>,
    /// Memory, in GiB.
    ram_gb: Option<f64>,
    /// Its disks together, in TB.
    storage_internal_tb: Option<f64>,
    /// The machine's make.
    model_name: Option<String>,
    /// Its graphics processors.
    gpu_model: Option<String>,
}

/// A service, with a port or a health URL.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceToKnow {
    /// Unique on its machine.
    name: String,
    /// The machine that it runs on; the server's, when left out.
    node: Option<String>,
    /// Where it listens.
    #[schema(minimum = 1)]
    port: Option<u16>,
    /// What kind of service it is.
    service_type: Option<String>,
    /// What to ask for its health.
    health_url: Option<String>,
}

/// On which machine.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OnNode {
    /// The machine, where several have a service of this name.
    node: Option<String>,
}

/// The machines, by name.
#[utoipa::path(
    get, path = "/nodes", tag = "machines",
    responses(Problems, (status = 200, description = "The machines.", body = schema::Nodes))
)]
pub(super) async fn nodes(axum::extract::State(shared): State) -> Result<Response, Problem> {
    ok(&Items { items: shared.app.orchestrator.list_nodes().await? })
}

/// One machine.
#[utoipa::path(
    get, path = "/nodes/{name}", tag = "machines", params(("name" = String, Path)),
    responses(Problems, (status = 200, description = "The machine.", body = schema::Node))
)]
pub(super) async fn node(
    axum::extract::State(shared): State,
    Id(name): Id<String>,
) -> Result<Response, Problem> {
    let found = shared.app.orchestrator.node_named(&name).await?;
    ok(&found.ok_or_else(|| Problem::not_found("failed to find the machine"))?)
}

/// Writes a machine down, or brings what is known of it up to date.
#[utoipa::path(
    put, path = "/nodes/{name}", tag = "machines", request_body = NodeToKnow,
    params(
        ("name" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "The machine.", body = schema::Node))
)]
pub(super) async fn register_node(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(name): Id<String>,
    Body(node): Body<NodeToKnow>,
) -> Result<Response, Problem> {
    caller.shared()?;
    let role = node.node_role;
    let node = Node {
        node_name: name,
        node_role: role.clone(),
        cpu_model: node.cpu_model,
        cpu_cores_total: node.cpu_cores_total,
        ram_gb: node.ram_gb,
        storage_internal_tb: node.storage_internal_tb,
        model_name: node.model_name,
        gpu_model: node.gpu_model,
    };
    ok(&shared.app.orchestrator.register_node_as(&node, &role).await?)
}

/// Removes a machine together with its services.
#[utoipa::path(
    delete, path = "/nodes/{name}", tag = "machines",
    params(
        ("name" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "What it was.", body = schema::RemovedNode))
)]
pub(super) async fn remove_node(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(name): Id<String>,
) -> Result<Response, Problem> {
    caller.shared()?;
    let removed = shared.app.orchestrator.remove_node(&name).await?;
    ok(&removed.ok_or_else(|| Problem::not_found("failed to find the machine"))?)
}

/// The services, by name, as the last probe found them.
#[utoipa::path(
    get, path = "/services", tag = "machines",
    responses(Problems, (status = 200, description = "The services.", body = schema::Services))
)]
pub(super) async fn services(axum::extract::State(shared): State) -> Result<Response, Problem> {
    ok(&Items { items: shared.app.orchestrator.list_services().await? })
}

/// Asks a service whether it is there, and writes it down with what was found.
#[utoipa::path(
    post, path = "/services", tag = "machines", request_body = ServiceToKnow,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")),
    responses(Problems, (status = 201, description = "It is known.", body = schema::Service))
)]
pub(super) async fn register_service(
    axum::extract::State(shared): State,
    caller: Caller,
    Body(service): Body<ServiceToKnow>,
) -> Result<Response, Problem> {
    caller.shared()?;
    let service = NewService {
        name: service.name,
        node: service.node,
        port: service.port,
        service_type: service.service_type,
        health_url: service.health_url,
    };
    json(StatusCode::CREATED, &shared.app.orchestrator.register_service(service).await?)
}

/// Forgets a service.
#[utoipa::path(
    delete, path = "/services/{name}", tag = "machines",
    params(
        ("name" = String, Path), OnNode,
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, it is done once.")
    ),
    responses(Problems, (status = 200, description = "What it was.", body = schema::Service))
)]
pub(super) async fn remove_service(
    axum::extract::State(shared): State,
    caller: Caller,
    Id(name): Id<String>,
    Params(on): Params<OnNode>,
) -> Result<Response, Problem> {
    caller.shared()?;
    let removed = shared.app.orchestrator.remove_service(&name, on.node.as_deref()).await?;
    ok(&removed.ok_or_else(|| Problem::not_found("failed to find the service"))?)
}

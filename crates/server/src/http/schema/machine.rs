use utoipa::ToSchema;

/// A machine.
#[derive(ToSchema)]
pub(in crate::http) struct Node {
    /// Its host name.
    node_name: String,
    /// What it is for.
    node_role: String,
    /// Its processor.
    #[schema(required = true)]
    cpu_model: Option<String>,
    /// Logical processors.
    #[schema(required = true)]
    cpu_cores_total: Option<i32>,
    /// Memory, in GiB.
    #[schema(required = true)]
    ram_gb: Option<f64>,
    /// Its disks together, in TB.
    #[schema(required = true)]
    storage_internal_tb: Option<f64>,
    /// The machine's make.
    #[schema(required = true)]
    model_name: Option<String>,
    /// Its graphics processors.
    #[schema(required = true)]
    gpu_model: Option<String>,
    /// When it was first registered.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last was.
    #[schema(format = DateTime)]
    last_seen: String,
}

/// What a machine was before it was removed.
#[derive(ToSchema)]
pub(in crate::http) struct RemovedNode {
    /// Its host name.
    node_name: String,
    /// What it is for.
    node_role: String,
    /// Its processor.
    #[schema(required = true)]
    cpu_model: Option<String>,
    /// Logical processors.
    #[schema(required = true)]
    cpu_cores_total: Option<i32>,
    /// Memory, in GiB.
    #[schema(required = true)]
    ram_gb: Option<f64>,
    /// Its disks together, in TB.
    #[schema(required = true)]
    storage_internal_tb: Option<f64>,
    /// The machine's make.
    #[schema(required = true)]
    model_name: Option<String>,
    /// Its graphics processors.
    #[schema(required = true)]
    gpu_model: Option<String>,
    /// When it was first registered.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last was.
    #[schema(format = DateTime)]
    last_seen: String,
    /// How many services were removed with it.
    removed_services: i64,
}

/// The machines, by name.
#[derive(ToSchema)]
pub(in crate::http) struct Nodes {
    /// The machines.
    items: Vec<Node>,
}

/// What the last probe found.
#[derive(ToSchema)]
pub(in crate::http) enum ServiceStatus {
    #[schema(rename = "unknown")]
    Unknown,
    #[schema(rename = "active")]
    Active,
    #[schema(rename = "inactive")]
    Inactive,
    #[schema(rename = "failed")]
    Failed,
}

/// A program that answers on some machine.
#[derive(ToSchema)]
pub(in crate::http) struct Service {
    /// Unique on its machine.
    service_name: String,
    /// The machine.
    #[schema(required = true)]
    node_name: Option<String>,
    /// Where it listens.
    #[schema(required = true)]
    port: Option<u16>,
    /// What kind of service it is.
    #[schema(required = true)]
    service_type: Option<String>,
    /// What is asked for its health.
    #[schema(required = true)]
    health_url: Option<String>,
    /// What the last probe found.
    status: ServiceStatus,
    /// Why it is not active.
    #[schema(required = true)]
    last_error: Option<String>,
    /// When it was first registered.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last probed.
    #[schema(format = DateTime, required = true)]
    checked_at: Option<String>,
}

/// The services, by name.
#[derive(ToSchema)]
pub(in crate::http) struct Services {
    /// The services.
    items: Vec<Service>,
}

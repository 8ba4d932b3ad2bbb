use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::TaskStatus;

/// A machine.
#[derive(ToSchema)]
pub(in crate::http) struct ContextNode {
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
}

/// A service that answered.
#[derive(ToSchema)]
pub(in crate::http) struct ContextService {
    /// Its name.
    service_name: String,
    /// Its machine.
    #[schema(required = true)]
    node_name: Option<String>,
    /// Where it listens.
    #[schema(required = true)]
    port: Option<i32>,
    /// What kind of service it is.
    #[schema(required = true)]
    service_type: Option<String>,
    /// What is asked for its health.
    #[schema(required = true)]
    health_url: Option<String>,
}

/// A document.
#[derive(ToSchema)]
pub(in crate::http) struct ContextDocument {
    /// Where it is.
    source: String,
    /// What it is called.
    #[schema(required = true)]
    title: Option<String>,
    /// Its parts.
    chunk_count: i32,
    /// When it last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// How much of everything there is.
#[derive(ToSchema)]
pub(in crate::http) struct DatabaseStats {
    /// On disk, in MB.
    #[schema(required = true)]
    total_size_mb: Option<f64>,
    /// Sessions.
    #[schema(required = true)]
    sessions: Option<i64>,
    /// Tasks.
    #[schema(required = true)]
    tasks: Option<i64>,
    /// Entries.
    #[schema(required = true)]
    knowledge: Option<i64>,
    /// Actions.
    #[schema(required = true)]
    actions: Option<i64>,
    /// Machines.
    #[schema(required = true)]
    nodes: Option<i64>,
    /// Services.
    #[schema(required = true)]
    services: Option<i64>,
    /// Documents.
    #[schema(required = true)]
    documents: Option<i64>,
    /// Which of these are estimates.
    estimated: Vec<String>,
}

/// A task, in short.
#[derive(ToSchema)]
pub(in crate::http) struct ContextTask {
    /// Its id.
    task_id: String,
    /// What kind of task it is.
    task_type: String,
    /// The beginning of what is to be done.
    task_description: String,
    /// 1 to 10, 10 first.
    task_priority: i32,
    /// Who is to do it; `None` is anybody.
    #[schema(required = true)]
    assigned_to_role: Option<String>,
    /// On which platform; `None` is any.
    #[schema(required = true)]
    assigned_to_platform: Option<String>,
    /// Its state.
    status: TaskStatus,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// What stops work.
#[derive(ToSchema)]
pub(in crate::http) struct ContextBlocker {
    /// The task.
    task_id: String,
    /// What kind of work it is.
    task_type: String,
    /// What is to be done.
    task_description: String,
    /// Where it stands.
    status: TaskStatus,
    /// Why.
    #[schema(required = true)]
    status_reason: Option<String>,
    /// Since when.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// The beginning of an entry.
#[derive(ToSchema)]
pub(in crate::http) struct ContextKnowledge {
    /// The row.
    id: i64,
    /// How it begins.
    excerpt: String,
    /// When it was added.
    #[schema(format = DateTime)]
    created_at: String,
}

/// What an agent finds when it arrives.
#[derive(ToSchema)]
pub(in crate::http) struct LandingContext {
    /// The project.
    project: String,
    /// The role; any, when null.
    #[schema(required = true)]
    role: Option<String>,
    /// The platform; any, when null.
    #[schema(required = true)]
    platform: Option<String>,
    /// The machines, by name.
    system_nodes: Vec<ContextNode>,
    /// The services that answered.
    active_services: Vec<ContextService>,
    /// The project's documents.
    documentation_sources: Vec<ContextDocument>,
    /// How much of everything there is.
    database_stats: DatabaseStats,
    /// The project's newest tasks.
    recent_tasks: Vec<ContextTask>,
    /// What may be claimed now.
    ready_tasks: Vec<ContextTask>,
    /// What stops work in the project.
    open_blockers: Vec<ContextBlocker>,
    /// What the project learned last.
    newest_knowledge: Vec<ContextKnowledge>,
    /// The database's time when it was read.
    #[schema(format = DateTime)]
    generated_at: String,
    /// For each section, nothing committed before is missing in it.
    freshness: BTreeMap<String, String>,
    /// For each section that could not be read, why.
    errors: BTreeMap<String, String>,
}

/// The landing context that a session was given.
#[derive(ToSchema)]
pub(in crate::http) struct StoredContext {
    /// It; null where another program gave it none.
    landing_context: serde_json::Value,
}

use utoipa::ToSchema;

/// A task of a loaded plan.
#[derive(ToSchema)]
pub(in crate::http) struct LoadedTask {
    /// What the plan calls it.
    key: String,
    /// What everybody else calls it.
    task_id: String,
}

/// What a plan became.
#[derive(ToSchema)]
pub(in crate::http) struct LoadedPlan {
    /// The plan's id or title.
    #[schema(required = true)]
    plan: Option<String>,
    /// The session that its tasks belong to.
    session_id: String,
    /// The project that they are in.
    project: String,
    /// How many of them this request made.
    created: u64,
    /// How many were there already.
    known: u64,
    /// All of them, prerequisites first.
    tasks: Vec<LoadedTask>,
}

/// A plan that could be loaded.
#[derive(ToSchema)]
pub(in crate::http) struct CheckedPlan {
    /// The keys of its tasks, prerequisites first.
    keys: Vec<String>,
}

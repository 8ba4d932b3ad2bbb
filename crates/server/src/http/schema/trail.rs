use serde_json::Value;
use utoipa::ToSchema;

/// An action of the audit trail.
#[derive(ToSchema)]
pub(in crate::http) struct Action {
    /// What it is called.
    action_id: String,
    /// The session that did it.
    #[schema(required = true)]
    session_id: Option<String>,
    /// The task that it was done for.
    #[schema(required = true)]
    task_id: Option<String>,
    /// The project it belongs to.
    project: String,
    /// What kind of action it is.
    action_type: String,
    /// What was done.
    #[schema(required = true)]
    action_description: Option<String>,
    /// What it worked on.
    input_data: Value,
    /// What came out of it.
    output_data: Value,
    /// Whether it worked.
    success: bool,
    /// What went wrong.
    #[schema(required = true)]
    error_message: Option<String>,
    /// How long it took, in milliseconds.
    #[schema(required = true)]
    execution_time_ms: Option<f64>,
    /// The files that it changed.
    changed_files: Vec<String>,
    /// The commands that it ran.
    commands_executed: Vec<String>,
    /// When it was written down.
    #[schema(format = DateTime)]
    executed_at: String,
    /// Its place in its chain, from 1.
    chain_position: i64,
    /// Its link: 64 hex digits.
    chain_hash: String,
}

/// Some actions, newest first.
#[derive(ToSchema)]
pub(in crate::http) struct ActionPage {
    /// The actions.
    items: Vec<Action>,
    /// The cursor of the next page; null at the end.
    #[schema(required = true)]
    next: Option<String>,
}

/// Actions that are written down.
#[derive(ToSchema)]
pub(in crate::http) struct LoggedActions {
    /// What they are called, in the order given.
    action_ids: Vec<String>,
}

/// The end of a chain.
#[derive(ToSchema)]
pub(in crate::http) struct ChainHead {
    /// The chain.
    chain: String,
    /// The position of its last action.
    length: i64,
    /// The link of its last action.
    head: String,
}

/// Where a chain stops being what was written.
#[derive(ToSchema)]
pub(in crate::http) struct BrokenChain {
    /// The chain.
    chain: String,
    /// The first position that is wrong.
    position: i64,
    /// The action that stands there.
    #[schema(required = true)]
    action_id: Option<String>,
    /// What is wrong there.
    flaw: String,
    /// Where what belongs there stands.
    #[schema(required = false)]
    to: i64,
}

/// What became of checking chains.
#[derive(ToSchema)]
pub(in crate::http) struct ChainReport {
    /// Chains that were looked at.
    chains: u64,
    /// Actions that were looked at.
    actions: u64,
    /// Chains with a flaw.
    flawed: u64,
    /// The first flaw of each of them.
    broken: Vec<BrokenChain>,
    /// The ends of chains without a flaw.
    heads: Vec<ChainHead>,
}

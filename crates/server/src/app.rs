use agent_turbo_knowledge::Store;
use agent_turbo_orchestrator::Orchestrator;
use agent_turbo_planner::Planner;

/// The layers that requests are answered from. Clones share them.
#[derive(Debug, Clone)]
pub struct App {
    /// What is known.
    pub store: Store,
    /// Sessions, tasks and the audit trail.
    pub orchestrator: Orchestrator,
    /// Plans and audits of results.
    pub planner: Planner,
    /// The project of requests that name none.
    pub project: String,
}

impl App {
    /// Over open layers; nothing is read or written here.
    pub fn new(store: Store, orchestrator: Orchestrator, project: impl Into<String>) -> Self {
        let planner = Planner::new(orchestrator.clone());
        Self { store, orchestrator, planner, project: project.into() }
    }
}

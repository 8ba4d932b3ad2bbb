use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::scope::ContextScope;
use super::sections::{
    ContextBlocker, ContextDocument, ContextKnowledge, ContextNode, ContextService, ContextTask,
    DatabaseStats,
};

/// What an agent finds when it arrives: the state of the system, and what there is to do next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LandingContext {
    /// For whom it is.
    #[serde(flatten)]
    pub scope: ContextScope,
    /// The machines, by name.
    pub system_nodes: Vec<ContextNode>,
    /// The services that answered when they were last asked, by name.
    pub active_services: Vec<ContextService>,
    /// The project's documents, those changed last first.
    pub documentation_sources: Vec<ContextDocument>,
    /// How much of everything there is.
    pub database_stats: DatabaseStats,
    /// The project's newest tasks, whatever their state.
    pub recent_tasks: Vec<ContextTask>,
    /// What may be claimed now, in the order in which it is claimed.
    pub ready_tasks: Vec<ContextTask>,
    /// What stops work in the project: blocked tasks, and broken ones that others wait for.
    pub open_blockers: Vec<ContextBlocker>,
    /// The beginnings of what the project learned last.
    pub newest_knowledge: Vec<ContextKnowledge>,
    /// The database's time when it was read.
    pub generated_at: Timestamp,
    /// For each section that could be read: nothing that was committed before this time is missing in it.
    pub freshness: BTreeMap<String, Timestamp>,
    /// For each section that could not be read, why.
    pub errors: BTreeMap<String, String>,
    #[serde(skip)]
    json: OnceLock<Box<str>>,
}

impl LandingContext {
    pub(super) fn empty(scope: ContextScope, generated_at: Timestamp) -> Self {
        Self {
            scope,
            system_nodes: Vec::new(),
            active_services: Vec::new(),
            documentation_sources: Vec::new(),
            database_stats: DatabaseStats::default(),
            recent_tasks: Vec::new(),
            ready_tasks: Vec::new(),
            open_blockers: Vec::new(),
            newest_knowledge: Vec::new(),
            generated_at,
            freshness: BTreeMap::new(),
            errors: BTreeMap::new(),
            json: OnceLock::new(),
        }
    }

    /// From its JSON text, which is kept.
    pub(super) fn from_json(text: String) -> serde_json::Result<Self> {
        let context: Self = serde_json::from_str(&text)?;
        Ok(Self { json: OnceLock::from(text.into_boxed_str()), ..context })
    }

    /// It as a JSON text, made once. What is changed in it after the first call is not in there.
    pub fn json(&self) -> &str {
        // Only maps with keys other than texts cannot be written, and there are none.
        self.json.get_or_init(|| serde_json::to_string(self).unwrap_or_default().into_boxed_str())
    }
}

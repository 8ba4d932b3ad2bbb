use std::collections::HashSet;

use agent_turbo_orchestrator::{GraphTask, SessionId, TaskId};
use serde::Serialize;

use super::Plan;
use crate::delegate::delegated;
use crate::{Planner, Result};

/// What a plan became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadedPlan {
    /// The plan's id or title.
    pub plan: Option<String>,
    /// The session that its tasks belong to.
    pub session_id: SessionId,
    /// The project that they are in.
    pub project: String,
    /// How many of them this call made.
    pub created: usize,
    /// How many were there already, and stay as they are.
    pub known: usize,
    /// All of them, prerequisites first.
    pub tasks: Vec<LoadedTask>,
}

/// A task of a loaded plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadedTask {
    /// What the plan calls it.
    pub key: String,
    /// What everybody else calls it.
    pub task_id: TaskId,
}

impl Planner {
    /// Makes all tasks of a plan on behalf of `session`, or none: in one transaction. A plan with a name can be loaded
    /// again, and makes only what is not there.
    ///
    /// # Errors
    /// [`crate::Error::BadPlan`], [`crate::Error::UnknownReference`], and
    /// [`agent_turbo_orchestrator::Error::SessionEnded`] when the session is no longer at work.
    #[tracing::instrument(name = "planner.load_plan", skip_all, fields(%session, tasks = plan.tasks.len()))]
    pub async fn load_plan(&self, session: &SessionId, plan: &Plan) -> Result<LoadedPlan> {
        let mut graph = self.check_plan(plan).await?;
        let session = self.at_work(session).await?;
        for node in &mut graph {
            node.task = delegated(&session, std::mem::take(&mut node.task));
        }
        let keys: Vec<String> = graph.iter().map(|node| node.key.clone()).collect();
        let mut made = self.orchestrator.create_graph(graph).await?;
        let tasks: Vec<LoadedTask> = keys
            .into_iter()
            .filter_map(|key| made.tasks.remove(&key).map(|task_id| LoadedTask { key, task_id }))
            .collect();
        Ok(LoadedPlan {
            plan: plan.name().map(str::to_owned),
            project: plan.project.clone().unwrap_or(session.project),
            session_id: session.session_id,
            created: made.created,
            known: tasks.len() - made.created,
            tasks,
        })
    }

    /// The tasks of a plan, prerequisites first, after everything was checked that loading would check. Writes nothing.
    ///
    /// # Errors
    /// As [`Self::load_plan`].
    #[tracing::instrument(name = "planner.check_plan", skip_all, fields(tasks = plan.tasks.len()))]
    pub async fn check_plan(&self, plan: &Plan) -> Result<Vec<GraphTask>> {
        let graph = plan.graph()?;
        let mut known = HashSet::new();
        for node in &graph {
            for dependency in &node.task.depends_on {
                let task = &dependency.task_id;
                if known.insert(task) && self.orchestrator.get_task(task).await?.is_none() {
                    return Err(plan.unknown(&node.key, task.as_str()));
                }
            }
        }
        Ok(graph)
    }
}

use crate::ids::{SessionId, TaskId};
use crate::task::state::acting;
use crate::{Error, Orchestrator, Result};

/// Tasks that one call removes at the most.
const MAX_REMOVED: usize = 10_000;

impl Orchestrator {
    /// Removes tasks whatever their state, and says how many were there. The audit trail keeps what was done with them
    /// and who removed them; whoever is at one of them loses his lease.
    #[tracing::instrument(name = "orchestrator.remove_tasks", skip_all, fields(tasks = tasks.len()))]
    pub async fn remove_tasks(&self, tasks: &[TaskId], by: Option<&SessionId>) -> Result<u64> {
        if tasks.len() > MAX_REMOVED {
            return Err(Error::bad_input(
                "the tasks",
                format!("{} are more than {MAX_REMOVED}", tasks.len()),
            ));
        }
        let ids: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
        let removed = self
            .changing()
            .execute(
                "remove_tasks",
                concat!(
                    "-- remove_tasks
                     DELETE FROM agent_tasks t USING ",
                    acting!("$2"),
                    " WHERE t.task_id = ANY ($1)"
                ),
                &[&ids, &by.map(SessionId::as_str)],
            )
            .await?;
        Ok(removed)
    }
}

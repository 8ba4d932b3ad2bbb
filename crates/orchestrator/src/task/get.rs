use crate::ids::TaskId;
use crate::task::{Task, columns};
use crate::{Orchestrator, Result};

impl Orchestrator {
    /// The task of this id.
    #[tracing::instrument(name = "orchestrator.task", skip_all, fields(%task))]
    pub async fn get_task(&self, task: &TaskId) -> Result<Option<Task>> {
        let row = self
            .db
            .query_opt(
                "get_task",
                concat!("-- get_task\nSELECT ", columns!(), " FROM agent_tasks t WHERE t.task_id = $1"),
                &[&task.as_str()],
            )
            .await?;
        Ok(row.as_ref().map(Task::from_row).transpose()?)
    }
}

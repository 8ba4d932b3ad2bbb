use agent_turbo_orchestrator::{CreatedTask, NewTask, Session, SessionId};
use serde_json::{Map, Value};

use crate::{Planner, Result};

/// The member of a task's metadata that names who delegated it.
const DELEGATED_BY: &str = "delegated_by";

impl Planner {
    /// Makes a task on behalf of `session`, in its project unless the task names another.
    ///
    /// # Errors
    /// [`agent_turbo_orchestrator::Error::SessionEnded`] when the session is no longer at work.
    #[tracing::instrument(name = "planner.create_delegated_task", skip_all, fields(%session))]
    pub async fn create_delegated_task(&self, session: &SessionId, task: NewTask) -> Result<CreatedTask> {
        let session = self.at_work(session).await?;
        Ok(self.orchestrator.create_task(delegated(&session, task)).await?)
    }
}

/// The task as one of the session's.
pub(crate) fn delegated(session: &Session, mut task: NewTask) -> NewTask {
    let by = Value::from(session.session_id.as_str());
    // Metadata that is no object is the orchestrator's to refuse.
    if let Value::Object(members) = task.metadata.get_or_insert_with(|| Map::new().into()) {
        members.insert(DELEGATED_BY.to_owned(), by);
    }
    NewTask {
        session_id: Some(session.session_id.clone()),
        project: Some(task.project.take().unwrap_or_else(|| session.project.clone())),
        ..task
    }
}

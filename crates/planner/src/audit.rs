use agent_turbo_orchestrator::{SessionId, Task, TaskFilter, TaskId, TaskPage, Verdict};

use crate::{Planner, Result};

/// Whose tasks are to be audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToAudit {
    /// Everybody's in the auditor's project.
    Everybodys,
    /// Those that the auditor made.
    Own,
}

impl Planner {
    /// Audits the result of a completed task, which itself stays as it is. A revision puts the task back into the queue
    /// with the notes; its attempts and its history stay.
    ///
    /// # Errors
    /// [`agent_turbo_orchestrator::Error::OwnWork`] when who did the task approves it.
    #[tracing::instrument(name = "planner.audit_task_results", skip_all, fields(%task, %verdict))]
    pub async fn audit_task_results(
        &self,
        task: &TaskId,
        verdict: Verdict,
        notes: Option<&str>,
        auditor: &SessionId,
    ) -> Result<Task> {
        self.at_work(auditor).await?;
        Ok(self.orchestrator.review_task(task, verdict, notes, auditor).await?)
    }

    /// Completed tasks that nobody has audited and that are not the auditor's own work: up to `limit` (1 to 1000), the
    /// newest first; `before` is the end of an earlier page.
    ///
    /// # Errors
    /// [`agent_turbo_orchestrator::Error::UnknownSession`] when there is no such auditor.
    #[tracing::instrument(name = "planner.tasks_to_audit", skip_all, fields(%auditor))]
    pub async fn tasks_to_audit(
        &self,
        auditor: &SessionId,
        whose: ToAudit,
        limit: usize,
        before: Option<i64>,
    ) -> Result<TaskPage> {
        let project = match whose {
            ToAudit::Everybodys => Some(self.orchestrator.claimant(auditor).await?.project),
            ToAudit::Own => None,
        };
        let filter = TaskFilter {
            project,
            session: (whose == ToAudit::Own).then(|| auditor.clone()),
            to_audit_by: Some(auditor.clone()),
            ..TaskFilter::default()
        };
        Ok(self.orchestrator.list_tasks(&filter, limit, before).await?)
    }
}

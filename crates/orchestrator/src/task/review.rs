use crate::ids::{SessionId, TaskId};
use crate::name::check_text;
use crate::task::refusal::refusal;
use crate::task::release::MAX_REASON_BYTES;
use crate::task::state::acting;
use crate::task::{Task, TaskStatus, columns};
use crate::vocabulary::vocabulary;
use crate::{Error, Orchestrator, Result};

vocabulary! {
    /// What an audit says of a result.
    Verdict, "the verdict" {
        /// It is what was asked for.
        Approved = "approved",
        /// It is not, and nobody is to try again.
        Rejected = "rejected",
        /// It is not yet: the task goes back to the queue with the notes.
        NeedsRevision = "needs_revision",
    }
}

impl Orchestrator {
    /// Audits the result of a completed task. The result itself stays as it is; a revision puts the task back into the
    /// queue, and the audit trail keeps what this round brought.
    ///
    /// # Errors
    /// [`Error::OwnWork`] when who did the task approves it, [`Error::TaskState`] when it is not completed.
    #[tracing::instrument(name = "orchestrator.review_task", skip_all, fields(%task, %verdict))]
    pub async fn review_task(
        &self,
        task: &TaskId,
        verdict: Verdict,
        notes: Option<&str>,
        reviewer: &SessionId,
    ) -> Result<Task> {
        if let Some(notes) = notes {
            check_text("the notes", notes, MAX_REASON_BYTES)?;
        } else if verdict == Verdict::NeedsRevision {
            return Err(Error::bad_input("the notes", "a revision says what is to be done differently"));
        }
        let row = self
            .changing()
            .query_opt(
                "review_task",
                concat!(
                    "-- review_task
                     UPDATE agent_tasks t
                     SET review = $2::text, review_notes = $3, reviewed_by = $4, reviewed_at = now(),
                         status = CASE $2 WHEN 'needs_revision' THEN 'pending' ELSE t.status END,
                         round = CASE $2 WHEN 'needs_revision' THEN t.round + 1 ELSE t.round END,
                         status_reason = CASE $2 WHEN 'needs_revision' THEN 'needs revision: ' || $3
                                                 ELSE t.status_reason END,
                         deadline = CASE WHEN $2 <> 'needs_revision' OR t.deadline > now() THEN t.deadline END
                     FROM ",
                    acting!("$4"),
                    " WHERE t.task_id = $1 AND t.status = 'completed' RETURNING ",
                    columns!()
                ),
                &[&task.as_str(), &verdict.as_str(), &notes, &reviewer.as_str()],
            )
            .await
            .map_err(|error| refusal(error.into()))?;
        if let Some(row) = row {
            return Ok(Task::from_row(&row)?);
        }
        match self.get_task(task).await? {
            None => Err(Error::UnknownTask(task.clone())),
            // A repetition whose first answer was lost.
            Some(stored)
                if verdict == Verdict::NeedsRevision
                    && stored.status == TaskStatus::Pending
                    && stored.review == Some(verdict)
                    && stored.review_notes.as_deref() == notes
                    && stored.reviewed_by.as_ref() == Some(reviewer) =>
            {
                Ok(stored)
            }
            Some(stored) => {
                Err(Error::TaskState { task: task.clone(), status: stored.status, change: "audited" })
            }
        }
    }
}

use std::time::Duration;

use agent_turbo_db::RowExt;
use agent_turbo_redact::redact;
use jiff::Timestamp;
use serde::Serialize;

use crate::ids::TaskId;
use crate::name::check_text;
use crate::task::lease::seconds;
use crate::task::{LeaseToken, Task, TaskStatus};
use crate::{Error, Orchestrator, Result};

const MAX_STEP_BYTES: usize = 1000;

/// How far a task is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// In percent, 0 to 100.
    pub percentage: Option<i32>,
    /// What its worker is at.
    pub current_step: Option<String>,
}

/// What a heartbeat learns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Heartbeat {
    /// Go on.
    Alive {
        /// When the lease ends now.
        expires_at: Timestamp,
    },
    /// Stop: the task is no longer wanted.
    Cancelled {
        /// Why, where somebody said so.
        reason: Option<String>,
    },
}

impl Orchestrator {
    /// The worker lives: its lease lasts for `lease` from now, or longer if it did, and its session is active. Secrets in
    /// what it is at are replaced.
    ///
    /// # Errors
    /// [`Error::LostLease`] when somebody else has the task by now, or nobody.
    #[tracing::instrument(name = "orchestrator.heartbeat_task", skip_all, fields(%task))]
    pub async fn heartbeat_task(
        &self,
        task: &TaskId,
        token: LeaseToken,
        lease: Duration,
        progress: Progress,
    ) -> Result<Heartbeat> {
        if let Some(percentage) = progress.percentage
            && !(0..=100).contains(&percentage)
        {
            return Err(Error::bad_input("the progress", format!("{percentage} is not between 0 and 100")));
        }
        let step = progress.current_step.as_deref();
        if let Some(step) = step {
            check_text("the current step", step, MAX_STEP_BYTES)?;
        }
        let step = step.map(|step| redact(step).text);
        let row = self
            .db
            .query_opt(
                "heartbeat_task",
                "-- heartbeat_task
                 WITH beat AS (
                     UPDATE agent_tasks t
                     SET lease_expires_at =
                             least(greatest(t.lease_expires_at, now() + make_interval(secs => $3)), t.deadline),
                         progress_percentage = coalesce($4, t.progress_percentage),
                         current_step = coalesce($5, t.current_step)
                     WHERE t.task_id = $1 AND t.lease_token = $2
                     RETURNING t.lease_session_id, t.lease_expires_at
                 ),
                 alive AS (
                     UPDATE agent_sessions s SET last_active = now() FROM beat
                     WHERE s.session_id = beat.lease_session_id AND s.status IN ('active', 'idle')
                 )
                 SELECT lease_expires_at FROM beat",
                &[&task.as_str(), &token.0, &seconds(lease)?, &progress.percentage, &step],
            )
            .await?;
        if let Some(row) = row {
            return Ok(Heartbeat::Alive { expires_at: row.column("lease_expires_at")? });
        }
        match self.get_task(task).await? {
            None => Err(Error::UnknownTask(task.clone())),
            Some(Task { status: TaskStatus::Cancelled, status_reason, .. }) => {
                Ok(Heartbeat::Cancelled { reason: status_reason })
            }
            Some(stored) => Err(Error::lost_lease(&stored)),
        }
    }
}

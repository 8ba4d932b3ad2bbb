use std::time::Duration;

use agent_turbo_orchestrator::{SessionId, Task, TaskId, TaskStatus};
use serde::Serialize;

/// Something that happened, told to who watches.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The worker has begun.
    Started {
        /// Its own session, the parent of those in which tasks are done.
        session_id: &'a SessionId,
    },
    /// A task was claimed, and its command is about to be run.
    Claimed {
        /// The task.
        task: &'a Task,
        /// The session that holds it.
        session_id: &'a SessionId,
    },
    /// A task's command said something on stderr; only when that was asked for.
    Stderr {
        /// The task.
        task_id: &'a TaskId,
        /// What it said, as it came.
        bytes: &'a [u8],
    },
    /// A task is over, for this worker.
    Finished(&'a Report),
    /// Something went wrong that may pass.
    Trouble {
        /// What, as a fragment that fits "failed to …".
        what: String,
    },
}

/// How it went with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done.
    Completed,
    /// The attempt failed, and there will be another one.
    Retried,
    /// It failed for good, or in its last attempt.
    Failed,
    /// It was cancelled meanwhile.
    Cancelled,
    /// The lease was lost; what the command did is not recorded.
    Lost,
    /// It was given back unharmed.
    Released,
}

/// What came of one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The task.
    pub task_id: TaskId,
    /// The session in which it was done.
    pub session_id: SessionId,
    /// How it went.
    pub outcome: Outcome,
    /// Where the task stood afterwards, where that is known.
    pub status: Option<TaskStatus>,
    /// Which attempt it was.
    pub attempt: i32,
    /// How often it may be begun.
    pub max_attempts: i32,
    /// What the command exited with, unless a signal ended it.
    pub exit_code: Option<i32>,
    /// How long the command ran, verification included, in milliseconds.
    pub duration_ms: u64,
    /// Tokens that it said it had used.
    pub tokens: Option<u64>,
    /// What went wrong.
    pub error: Option<String>,
}

/// What a worker came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Tasks that were done.
    pub completed: u64,
    /// Attempts that failed and are followed by another one.
    pub retried: u64,
    /// Tasks that failed.
    pub failed: u64,
    /// Tasks that were cancelled meanwhile.
    pub cancelled: u64,
    /// Tasks whose lease was lost.
    pub lost: u64,
    /// Tasks that were given back.
    pub released: u64,
    /// Tokens that their commands said they had used.
    pub tokens: u64,
}

impl Summary {
    pub(crate) fn count(&mut self, report: &Report) {
        *match report.outcome {
            Outcome::Completed => &mut self.completed,
            Outcome::Retried => &mut self.retried,
            Outcome::Failed => &mut self.failed,
            Outcome::Cancelled => &mut self.cancelled,
            Outcome::Lost => &mut self.lost,
            Outcome::Released => &mut self.released,
        } += 1;
        self.tokens += report.tokens.unwrap_or(0);
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Who watches.
pub(crate) type Observer = dyn Fn(Event<'_>) + Send + Sync;

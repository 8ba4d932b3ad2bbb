use std::time::Duration;

use agent_turbo_orchestrator::{self as orchestrator, Failure, SessionId, Task, TaskStatus, Usage};
use tokio::time::{Instant, sleep};

use crate::Error;
use crate::attempt::{Conclusion, Course, Held};
use crate::event::{Event, Outcome, Report, milliseconds};
use crate::heart::Stop;
use crate::output::middle_out;
use crate::worker::Context;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// For what is nice to have written down.
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_REASON_BYTES: usize = 2000;

/// Asks again while the database is away, for `patience` at the most.
pub(crate) async fn insist<T, F>(patience: Duration, call: impl Fn() -> F) -> orchestrator::Result<T>
where
    F: Future<Output = orchestrator::Result<T>>,
{
    let end = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        match call().await {
            Err(error) if error.may_pass() && Instant::now() < end => {
                sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Records what an attempt came to: of the task, then of its session.
pub(crate) async fn settle(held: &Held, conclusion: Conclusion, course: Course) -> (Report, Option<Error>) {
    let (orchestrator, patience) = (&held.context.orchestrator, held.context.options.lease);
    let (task, token) = (&held.task.task_id, held.lease.token);
    let give_back = async |why: &str| {
        let released = insist(patience, || orchestrator.release_task(task, token, Some(why))).await;
        held.settled(released, Outcome::Released).await
    };
    let mut fatal = None;
    let (outcome, status, error) = match conclusion {
        Conclusion::Done(output) => {
            let completed =
                insist(patience, || orchestrator.complete_task(task, token, Some(output.clone()))).await;
            match completed {
                Err(refused @ orchestrator::Error::BadInput { .. }) => {
                    let why = format!("its output cannot be stored: failed to {refused}");
                    held.fail(&why, Failure::Final).await
                }
                completed => held.settled(completed, Outcome::Completed).await,
            }
        }
        Conclusion::Failed { error, failure } => held.fail(&error, failure).await,
        Conclusion::Stopped(Stop::Cancelled(reason)) => {
            (Outcome::Cancelled, Some(TaskStatus::Cancelled), reason)
        }
        Conclusion::Stopped(Stop::Lost(why)) => (Outcome::Lost, None, Some(why)),
        Conclusion::Stopped(Stop::Abandoned) => give_back("its worker was told to stop").await,
        Conclusion::Broken(error) => {
            fatal = Some(error);
            give_back("its worker cannot run the command").await
        }
    };
    let report = Report {
        task_id: task.clone(),
        session_id: held.session.clone(),
        outcome,
        status,
        attempt: held.task.attempts,
        max_attempts: held.task.max_attempts,
        exit_code: course.exit_code,
        duration_ms: milliseconds(course.duration),
        tokens: course.spent.map(|spent| spent.tokens),
        error,
    };
    if let Some(spent) = course.spent {
        let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let usage = Usage { tokens_used: number(spent.tokens), api_calls: number(spent.calls) };
        // Not insisted on: it is counted once or not at all.
        if let Err(error) = orchestrator.touch_session(&held.session, usage).await {
            held.context.trouble(&format!("note what session {} used", held.session), &error);
        }
    }
    let failed =
        matches!(report.outcome, Outcome::Retried | Outcome::Failed).then_some(report.error.as_deref());
    end_session(&held.context, &held.session, failed.flatten()).await;
    (report, fatal)
}

impl Held {
    async fn fail(&self, why: &str, failure: Failure) -> (Outcome, Option<TaskStatus>, Option<String>) {
        let (task, token) = (&self.task.task_id, self.lease.token);
        let orchestrator = &self.context.orchestrator;
        let failed =
            insist(self.context.options.lease, || orchestrator.fail_task(task, token, why, failure)).await;
        let again = failed.as_ref().is_ok_and(|task| task.status == TaskStatus::Pending);
        let settled = self.settled(failed, if again { Outcome::Retried } else { Outcome::Failed }).await;
        match settled {
            (outcome, status, None) => (outcome, status, Some(why.to_owned())),
            settled => settled,
        }
    }

    /// What is known of a task after it was asked to be put into another state.
    async fn settled(
        &self,
        asked: orchestrator::Result<Task>,
        outcome: Outcome,
    ) -> (Outcome, Option<TaskStatus>, Option<String>) {
        let error = match asked {
            Ok(task) => return (outcome, Some(task.status), None),
            Err(error) => error,
        };
        // Its command may have done it itself, with the token that it got; and it may have been cancelled just now.
        let task = self.context.orchestrator.get_task(&self.task.task_id).await.ok().flatten();
        let status = task.as_ref().map(|task| task.status);
        let is_ours = task.as_ref().is_some_and(|task| task.finished_by.as_ref() == Some(&self.session));
        match (status, is_ours) {
            (Some(TaskStatus::Completed), true) => (Outcome::Completed, status, None),
            (Some(TaskStatus::Failed), true) => {
                (Outcome::Failed, status, task.and_then(|task| task.error_message))
            }
            (Some(TaskStatus::Cancelled), _) => {
                (Outcome::Cancelled, status, task.and_then(|task| task.status_reason))
            }
            _ => {
                let error = whole(&error);
                (Outcome::Lost, status, Some(format!("failed to {error}")))
            }
        }
    }
}

/// Ends a session, badly if there is a reason. One that cannot be ended now is found by the reaper.
pub(crate) async fn end_session(context: &Context, session: &SessionId, failed: Option<&str>) {
    let orchestrator = &context.orchestrator;
    let ended = match failed {
        None => insist(PATIENCE, || orchestrator.complete_session(session)).await,
        Some(reason) => {
            let reason = middle_out(reason, MAX_REASON_BYTES);
            insist(PATIENCE, || orchestrator.fail_session(session, &reason)).await
        }
    };
    match ended {
        // Its command may have ended it.
        Ok(_) | Err(orchestrator::Error::SessionEnded { .. }) => {}
        Err(error) => context.trouble(&format!("end session {session}"), &error),
    }
}

/// An error with everything that lies under it.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl Context {
    /// Tells the observer of something that may pass.
    pub(crate) fn trouble(&self, what: &str, error: &dyn std::error::Error) {
        (self.observer)(Event::Trouble { what: format!("{what}: {}", whole(error)) });
    }
}

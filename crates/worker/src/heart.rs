use std::sync::Arc;

use agent_turbo_orchestrator::{self as orchestrator, Heartbeat, Lease, Progress, SessionId};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::child::Said;
use crate::settle::whole;
use crate::worker::Context;

/// Why a task must not be worked on any longer.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// It is no longer wanted.
    Cancelled(Option<String>),
    /// Somebody else may have it by now.
    Lost(String),
    /// The worker was told to stop.
    Abandoned,
}

/// Shows signs of life for one task, with what its command said last, until it is dropped.
#[derive(Debug)]
pub(crate) struct Heart {
    verdict: watch::Receiver<Option<Stop>>,
    beating: JoinHandle<()>,
}

impl Heart {
    pub(crate) fn start(
        context: &Arc<Context>,
        lease: &Lease,
        session: &SessionId,
        said: watch::Receiver<Said>,
    ) -> Self {
        let (sender, verdict) = watch::channel(None);
        let (context, lease, session) = (Arc::clone(context), lease.clone(), session.clone());
        let beating = tokio::spawn(async move {
            let stop = beat(&context, &lease, &session, &said).await;
            // Nobody listens when the command is over.
            let _ = sender.send(stop);
        });
        Self { verdict, beating }
    }

    /// Returns when the task must not be worked on any longer, and never if it may.
    pub(crate) async fn stopped(&self, context: &Context) -> Stop {
        let mut verdict = self.verdict.clone();
        let heard = async {
            match verdict.wait_for(Option::is_some).await {
                Ok(stop) => stop.clone(),
                Err(_) => None,
            }
        };
        tokio::select! {
            Some(stop) = heard => stop,
            () = context.control.stopping() => Stop::Abandoned,
        }
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

/// Beats until there is no more use. `None` when the command has settled its task itself.
async fn beat(
    context: &Context,
    lease: &Lease,
    session: &SessionId,
    said: &watch::Receiver<Said>,
) -> Option<Stop> {
    let (orchestrator, length) = (&context.orchestrator, context.options.lease);
    let mut held_until = Instant::now() + length;
    let mut told: Option<String> = None;
    let mut in_trouble = false;
    loop {
        sleep(context.options.beat()).await;
        let current_step = said.borrow().line.clone().filter(|line| told.as_ref() != Some(line));
        let sent = Instant::now();
        let progress = Progress { percentage: None, current_step: current_step.clone() };
        let beat = orchestrator.heartbeat_task(&lease.task_id, lease.token, length, progress);
        let Ok(beat) = timeout_at(held_until, beat).await else {
            return Some(Stop::Lost("the database did not answer for as long as the lease lasts".to_owned()));
        };
        match beat {
            Ok(Heartbeat::Alive { .. }) => {
                held_until = sent + length;
                told = current_step.or(told);
                in_trouble = false;
            }
            Ok(Heartbeat::Cancelled { reason }) => return Some(Stop::Cancelled(reason)),
            Err(error @ (orchestrator::Error::LostLease { .. } | orchestrator::Error::UnknownTask(_))) => {
                let task = orchestrator.get_task(&lease.task_id).await.ok().flatten();
                if task.is_some_and(|task| task.finished_by.as_ref() == Some(session)) {
                    return None;
                }
                return Some(lost(&error));
            }
            // Whatever it is, it may pass for as long as the lease lasts.
            Err(error) => {
                if Instant::now() >= held_until {
                    return Some(lost(&error));
                }
                if !in_trouble {
                    in_trouble = true;
                    context.trouble(&format!("show a sign of life for {}", lease.task_id), &error);
                }
            }
        }
    }
}

fn lost(error: &orchestrator::Error) -> Stop {
    Stop::Lost(format!("failed to {}", whole(error)))
}

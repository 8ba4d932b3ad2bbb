use std::time::Duration;

use agent_turbo_knowledge::Store;
use agent_turbo_orchestrator::{Orchestrator, Reaped, SilenceLimits};
use anyhow::Result;
use serde::Serialize;

use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::output::Output;
use crate::when;

/// Draw the conclusions of leases, deadlines and silences that are over, and remove expired knowledge for good.
///
/// Claims do it for tasks on their way, and `task wait` while it waits. Silent sessions are found by this command alone, or
/// by `task wait`: where none waits, run it now and then, or with --every.
#[derive(Debug, clap::Args)]
pub(crate) struct Reap {
    /// A session that was silent for so long is idle [default: 15m].
    #[arg(long, value_name = "DURATION")]
    idle_after: Option<String>,
    /// An idle session that was silent for so long has failed, and its tasks are anybody's [default: 2h].
    #[arg(long, value_name = "DURATION")]
    fail_after: Option<String>,
    /// Do it again and again, with this pause, until Ctrl-C; a line is printed for each time that did something.
    #[arg(long, value_name = "DURATION", conflicts_with = "json")]
    every: Option<String>,
}

impl Reap {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let usual = SilenceLimits::default();
        let limit = |text: Option<String>, usual| {
            text.map_or(Ok(usual), |text| when::duration("how long a session may be silent", &text))
        };
        let limits = SilenceLimits {
            idle_after: limit(self.idle_after, usual.idle_after)?,
            fail_after: limit(self.fail_after, usual.fail_after)?,
        };
        let every =
            self.every.map(|every| when::duration("the pause between two times", &every)).transpose()?;
        let (store, orchestrator) = deployment.open_both(Lifetime::OneCommand, Embedding::Unused).await?;
        if let Some(every) = every {
            return again_and_again(&store, &orchestrator, limits, every).await;
        }
        let reaped = reap(&store, &orchestrator, limits).await?;
        tell(&mut out, &reaped);
        out.print(&reaped)?;
        Ok(Exit::Done)
    }
}

/// What one time did.
#[derive(Debug, PartialEq, Eq, Default, Serialize)]
struct Done {
    #[serde(flatten)]
    reaped: Reaped,
    /// Entries of knowledge whose time was over, and that are gone now.
    expired_entries: u64,
}

async fn reap(store: &Store, orchestrator: &Orchestrator, limits: SilenceLimits) -> Result<Done> {
    let reaped = orchestrator.reap(limits).await?;
    Ok(Done { reaped, expired_entries: store.purge_expired().await? })
}

/// Until Ctrl-C. A time that fails is logged; the next one tries again.
async fn again_and_again(
    store: &Store,
    orchestrator: &Orchestrator,
    limits: SilenceLimits,
    every: Duration,
) -> Result<Exit> {
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(Exit::Done);
            }
        }
        match reap(store, orchestrator, limits).await {
            Ok(reaped) if reaped == Done::default() => {}
            Ok(reaped) => {
                let mut out = Output::new(false);
                tell(&mut out, &reaped);
                out.print(&())?;
            }
            Err(error) => tracing::warn!("failed to {error}"),
        }
    }
}

fn tell(out: &mut Output, done: &Done) {
    let Reaped { tasks, sessions, contexts, requests } = &done.reaped;
    out.line(format_args!(
        "Tasks: {} became due, {} lost their worker and are tried again, {} failed",
        tasks.promoted, tasks.requeued, tasks.failed
    ));
    out.line(format_args!(
        "Sessions: {} idle now, {} failed and gave {} tasks back",
        sessions.idle, sessions.failed, sessions.released_tasks
    ));
    out.line(format_args!("Landing contexts: {contexts} expired ones removed"));
    out.line(format_args!("Requests: {requests} old ones forgotten"));
    out.line(format_args!("Knowledge: {} expired entries removed", done.expired_entries));
}

use agent_turbo_orchestrator::{Reaped, SilenceLimits};
use anyhow::Result;

use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::Output;
use crate::when;

/// Draw the conclusions of leases, deadlines and silences that are over. Once; servers do it all the time.
#[derive(Debug, clap::Args)]
pub(crate) struct Reap {
    /// A session that was silent for so long is idle [default: 15m].
    #[arg(long, value_name = "DURATION")]
    idle_after: Option<String>,
    /// An idle session that was silent for so long has failed, and its tasks are anybody's [default: 2h].
    #[arg(long, value_name = "DURATION")]
    fail_after: Option<String>,
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
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let reaped = orchestrator.reap(limits).await?;
        let Reaped { tasks, sessions, contexts } = &reaped;
        out.line(format_args!(
            "Tasks: {} became due, {} lost their worker and are tried again, {} failed",
            tasks.promoted, tasks.requeued, tasks.failed
        ));
        out.line(format_args!(
            "Sessions: {} idle now, {} failed and gave {} tasks back",
            sessions.idle, sessions.failed, sessions.released_tasks
        ));
        out.line(format_args!("Landing contexts: {contexts} expired ones removed"));
        out.print(&reaped)?;
        Ok(Exit::Done)
    }
}

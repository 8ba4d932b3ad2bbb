use std::time::Duration;

use agent_turbo_orchestrator::{Claimant, ClaimedTask, Orchestrator};
use anyhow::Result;
use serde_json::json;

use crate::acting::Acting;
use crate::commands::{show, task::print};
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::input::bad;
use crate::output::Output;
use crate::when;

/// Take the best task that is ready.
///
/// The most urgent comes first, then the oldest. The exit code is 3 when there is none.
#[derive(Debug, clap::Args)]
pub(super) struct Claim {
    #[command(flatten)]
    claim: ClaimArgs,
}

/// Who wants how many tasks, for how long.
#[derive(Debug, clap::Args)]
pub(super) struct ClaimArgs {
    #[command(flatten)]
    acting: Acting,
    /// Tasks for this role, or for any [default: the session's].
    #[arg(long)]
    role: Option<String>,
    /// Tasks for this platform, or for any [default: the session's, else only those for any].
    #[arg(long)]
    platform: Option<String>,
    /// The project whose tasks [default: the session's, else default].
    #[arg(long, short)]
    project: Option<String>,
    /// Take up to so many, 1 to 1000; then they are printed as a list also when there is one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: Option<u16>,
    /// How long the task is yours without a sign of life: seconds, or a duration such as 5m; at most a day.
    #[arg(long, value_name = "DURATION", default_value = "15m")]
    lease: String,
}

impl Claim {
    pub(super) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        let lease = self.claim.lease()?;
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let claimant = self.claim.claimant(deployment, &orchestrator).await?;
        let claimed = orchestrator.claim_tasks(&claimant, self.claim.count(), lease).await?;
        self.claim.tell(&orchestrator, out, &claimed).await
    }
}

impl ClaimArgs {
    pub(super) fn lease(&self) -> Result<Duration> {
        when::duration("the lease", &self.lease)
    }

    pub(super) fn count(&self) -> usize {
        self.count.map_or(1, usize::from)
    }

    /// The session as it is, less what was said here.
    pub(super) async fn claimant(
        &self,
        deployment: &Deployment,
        orchestrator: &Orchestrator,
    ) -> Result<Claimant> {
        let claimant = match (self.acting.session()?, &self.role) {
            (Some(session), _) => orchestrator.claimant(&session).await?,
            (None, Some(role)) => Claimant {
                session_id: None,
                project: deployment.project(None)?.to_string(),
                role: role.clone(),
                platform: None,
            },
            (None, None) => {
                return Err(bad("the claim", "say who claims: with --session, or with --role".to_owned()));
            }
        };
        Ok(Claimant {
            session_id: claimant.session_id,
            project: self.project.clone().unwrap_or(claimant.project),
            role: self.role.clone().unwrap_or(claimant.role),
            platform: self.platform.clone().or(claimant.platform),
        })
    }

    /// Prints the tasks and how to go on with them; exit code 3 when there are none.
    pub(super) async fn tell(
        &self,
        orchestrator: &Orchestrator,
        out: Output,
        claimed: &[ClaimedTask],
    ) -> Result<Exit> {
        let told = self.print(out, claimed);
        if told.is_err() {
            // Nobody knows their tokens, so nobody could go on with them.
            for ClaimedTask { lease, .. } in claimed {
                let given_back = orchestrator.release_task(
                    &lease.task_id,
                    lease.token,
                    Some("its claim could not be told"),
                );
                if let Err(error) = given_back.await {
                    tracing::warn!("failed to {error}");
                }
            }
        }
        told
    }

    fn print(&self, mut out: Output, claimed: &[ClaimedTask]) -> Result<Exit> {
        for (place, claimed) in claimed.iter().enumerate() {
            if place > 0 {
                out.line("");
            }
            print::claimed(&mut out, claimed);
        }
        match (claimed, self.count) {
            ([], None) => return show::nothing(out, "No task is ready."),
            ([one], None) => out.print(one)?,
            ([], Some(_)) => {
                out.line("No task is ready.");
                out.print(&json!({ "claimed": [] }))?;
                return Ok(Exit::NotFound);
            }
            (claimed, _) => out.print(&json!({ "claimed": claimed }))?,
        }
        Ok(Exit::Done)
    }
}

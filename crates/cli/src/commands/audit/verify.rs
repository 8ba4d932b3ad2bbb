use agent_turbo_orchestrator::BrokenChain;
use anyhow::Result;

use crate::commands::show;
use crate::deployment::{Deployment, Lifetime};
use crate::exit::Exit;
use crate::output::{BAD, DIM, Output, count, headline};

/// Check that nobody changed the record; fails when somebody did.
///
/// The exit code is then 1, with a line for each chain that was changed. The heads that --json shows, noted elsewhere,
/// also tell of a chain that was rewritten to its end.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// Only what this session did, or what was done on this task without a session [default: everything].
    #[arg(value_name = "SESSION")]
    chain: Option<String>,
}

impl Verify {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let orchestrator = deployment.open_orchestrator(Lifetime::OneCommand).await?;
        let report = orchestrator.verify_chain(self.chain.as_deref()).await?;
        if let (Some(chain), 0) = (&self.chain, report.chains) {
            return show::nothing(
                out,
                format_args!("Nothing was ever written down for {}.", headline(chain, 100)),
            );
        }
        for broken in &report.broken {
            out.line(line(broken));
        }
        let (chains, actions) = (report.chains, report.actions);
        if report.is_intact() {
            out.line(format_args!(
                "✅ Nothing was changed: {} in {}",
                count(actions, "action"),
                count(chains, "chain")
            ));
        } else {
            out.line(format_args!("{} of {} not what was written", report.flawed, count(chains, "chain")));
        }
        out.print(&report)?;
        Ok(if report.is_intact() { Exit::Done } else { Exit::Failed })
    }
}

fn line(BrokenChain { chain, position, action_id, flaw }: &BrokenChain) -> String {
    let chain = if chain.is_empty() { "(no session)".to_owned() } else { headline(chain, 100) };
    let action = action_id.as_ref().map(|id| format!(" {DIM}{}{DIM:#}", headline(id.as_str(), 80)));
    format!("{BAD}✘{BAD:#} {chain}: action {position} is {flaw}{}", action.unwrap_or_default())
}

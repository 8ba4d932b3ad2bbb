//! Verification: each phase proves what it promises against a live database, in a project of its own, and leaves the
//! database as it found it, also when it fails.

mod phase1;
mod phase2;
mod phase3;
mod phase4;
mod phase5;
mod phase6;
mod phase7;
mod report;
mod scratch;

use std::path::PathBuf;

use agent_turbo_cli::{Deployment, Settings};
use agent_turbo_db::Config;
use agent_turbo_knowledge::Project;
use anyhow::{Context, Result, bail};

use report::Report;

/// Prove a phase, or all, against DATABASE_URL or the embedded default, and leave the database as it was.
#[derive(clap::Args)]
pub(crate) struct Verify {
    /// Which.
    phase: Phase,
    /// One JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
enum Phase {
    /// The schema.
    Phase1,
    /// The pool.
    Phase2,
    /// The knowledge.
    Phase3,
    /// The orchestrator.
    Phase4,
    /// The planner.
    Phase5,
    /// The move from SQLite, and the load.
    Phase6,
    /// The servers.
    Phase7,
    /// Every phase.
    All,
}

/// What every phase works with.
struct World {
    deployment: Deployment,
    /// The `agent-turbo` program, built from this source.
    program: PathBuf,
    /// Where the database is.
    config: Config,
    /// A project that nobody else uses.
    project: Project,
}

impl Verify {
    pub(crate) fn run(&self) -> Result<()> {
        let program = crate::program::build()?;
        let runtime = tokio::runtime::Runtime::new()?;
        let mut report = Report::new(self.json);
        let outcome = runtime.block_on(async {
            tokio::select! {
                outcome = self.phases(program, &mut report) => outcome,
                _ = tokio::signal::ctrl_c() => bail!("interrupted"),
            }
        });
        runtime.shutdown_background();
        report.finish(outcome)
    }

    async fn phases(&self, program: PathBuf, report: &mut Report) -> Result<()> {
        let deployment = Deployment::new(Settings::load()?, &program)?;
        let config = deployment.database_config().await?;
        let name = format!("agent-turbo-verify-{:08x}", rand::random::<u32>());
        let world = World { deployment, program, config, project: name.parse()? };
        for (phase, of) in [
            (Phase::Phase1, "phase1"),
            (Phase::Phase2, "phase2"),
            (Phase::Phase3, "phase3"),
            (Phase::Phase4, "phase4"),
            (Phase::Phase5, "phase5"),
            (Phase::Phase6, "phase6"),
            (Phase::Phase7, "phase7"),
        ] {
            if self.phase != Phase::All && self.phase != phase {
                continue;
            }
            report.phase(of);
            match phase {
                Phase::Phase1 => phase1::verify(&world, report).await,
                Phase::Phase2 => phase2::verify(&world, report).await,
                Phase::Phase3 => phase3::verify(&world, report).await,
                Phase::Phase4 => phase4::verify(&world, report).await,
                Phase::Phase5 => phase5::verify(&world, report).await,
                Phase::Phase6 => phase6::verify(&world, report).await,
                Phase::Phase7 | Phase::All => phase7::verify(&world, report).await,
            }
            .with_context(|| of)?;
        }
        Ok(())
    }
}

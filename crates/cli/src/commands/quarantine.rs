use agent_turbo_knowledge::EntryRef;
use anyhow::Result;

use crate::commands::show;
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Hide an entry until somebody approves it; it stays readable.
#[derive(Debug, clap::Args)]
pub(crate) struct Quarantine {
    /// Its content hash, or the first 4 digits of it or more.
    hash: String,
    /// The project [default: default].
    #[arg(long, short)]
    project: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Let an entry be found that waits in quarantine (`list --state quarantined`).
#[derive(Debug, clap::Args)]
pub(crate) struct Approve {
    /// Its content hash, or the first 4 digits of it or more.
    hash: String,
    /// The project [default: default].
    #[arg(long, short)]
    project: Option<String>,
}

impl Quarantine {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (project, wanted): (_, EntryRef) =
            (deployment.project(self.project.as_deref())?, self.hash.parse()?);
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Unused).await?;
        let Some(entry) = store.quarantine(&project, &wanted, self.reason.as_deref()).await? else {
            return show::missing(out, &project, &wanted);
        };
        out.line(format_args!("✅ In quarantine: {}", entry.content_hash.short()));
        out.print(&entry)?;
        Ok(Exit::Done)
    }
}

impl Approve {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (project, wanted): (_, EntryRef) =
            (deployment.project(self.project.as_deref())?, self.hash.parse()?);
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Unused).await?;
        let Some(entry) = store.approve(&project, &wanted).await? else {
            return show::missing(out, &project, &wanted);
        };
        out.line(format_args!("✅ Approved knowledge: {}", entry.content_hash.short()));
        out.print(&entry)?;
        Ok(Exit::Done)
    }
}

use agent_turbo_knowledge::EntryRef;
use anyhow::Result;

use crate::commands::show;
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Make an earlier version of an entry the current one again; what it replaces is kept as a version.
#[derive(Debug, clap::Args)]
pub(crate) struct Revert {
    /// Its content hash, or the first 4 digits of it or more; one that it had earlier will do.
    hash: String,
    /// The project [default: default].
    #[arg(long, short)]
    project: Option<String>,
    /// The version, as `history HASH` numbers them [default: the one before the current].
    #[arg(long, value_name = "VERSION")]
    to: Option<i32>,
}

impl Revert {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (project, wanted): (_, EntryRef) =
            (deployment.project(self.project.as_deref())?, self.hash.parse()?);
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Needed).await?;
        let Some(entry) = store.revert(&project, &wanted, self.to).await? else {
            return show::missing(out, &project, &wanted);
        };
        out.line(format_args!("✅ Reverted knowledge: {}", entry.content_hash.short()));
        out.print(&entry)?;
        Ok(Exit::Done)
    }
}

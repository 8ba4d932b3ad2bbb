use agent_turbo_knowledge::EntryRef;
use anyhow::Result;

use crate::commands::show;
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Show an entry.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// Its content hash, or the first 4 digits of it or more.
    hash: String,
    /// The project [default: default].
    #[arg(long, short)]
    project: Option<String>,
}

impl Get {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (project, wanted): (_, EntryRef) =
            (deployment.project(self.project.as_deref())?, self.hash.parse()?);
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Unused).await?;
        let Some(entry) = store.get(&project, &wanted).await? else {
            return show::missing(out, &project, &wanted);
        };
        show::entry(&mut out, &entry);
        out.print(&entry)?;
        Ok(Exit::Done)
    }
}

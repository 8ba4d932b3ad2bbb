use agent_turbo_knowledge::EntryRef;
use anyhow::Result;

use crate::commands::show;
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::output::{Output, headline};

/// Delete an entry.
#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// Its content hash, or the first 4 digits of it or more.
    hash: String,
    /// The project [default: default].
    #[arg(long, short)]
    project: Option<String>,
}

impl Delete {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (project, wanted): (_, EntryRef) =
            (deployment.project(self.project.as_deref())?, self.hash.parse()?);
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Unused).await?;
        let Some(entry) = store.delete(&project, &wanted).await? else {
            return show::missing(out, &project, &wanted);
        };
        let text = headline(&entry.content, 80);
        out.line(format_args!("✅ Deleted knowledge: {} {text}", entry.content_hash.short()));
        out.print(&entry)?;
        Ok(Exit::Done)
    }
}

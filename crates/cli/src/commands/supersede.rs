use agent_turbo_knowledge::EntryRef;
use anyhow::Result;

use crate::commands::show;
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::output::Output;

/// Have an entry take the place of another one, which is not found any more and stays readable.
///
/// Where the old one was superseded before, the new one takes the place of the last entry of that chain. When the new one is
/// deleted, the old one is found again; when it expires, the old one goes with it.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true)))]
pub(crate) struct Supersede {
    /// The old entry's content hash, or the first 4 digits of it or more.
    #[arg(value_name = "OLD")]
    hash: String,
    /// The new entry's.
    #[arg(long, value_name = "NEW", group = "what")]
    by: Option<String>,
    /// Let the old one be found again.
    #[arg(long, group = "what")]
    undo: bool,
    /// The project of both [default: default].
    #[arg(long, short)]
    project: Option<String>,
}

impl Supersede {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (project, wanted): (_, EntryRef) =
            (deployment.project(self.project.as_deref())?, self.hash.parse()?);
        let by: Option<EntryRef> = self.by.map(|hash| hash.parse()).transpose()?;
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Unused).await?;
        let entry = match &by {
            Some(by) => store.supersede(&project, &wanted, by).await?,
            None => store.reinstate(&project, &wanted).await?,
        };
        let Some(entry) = entry else { return show::missing(out, &project, &wanted) };
        let hash = entry.content_hash.short();
        match &entry.superseded_by {
            Some(successor) => {
                out.line(format_args!("✅ Superseded knowledge: {hash} by {}", successor.short()));
            }
            None => out.line(format_args!("✅ Found again: {hash}")),
        }
        out.print(&entry)?;
        Ok(Exit::Done)
    }
}

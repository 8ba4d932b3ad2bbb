use agent_turbo_knowledge::{EntryRef, Patch};
use anyhow::Result;

use crate::commands::expiry::ExpiryArgs;
use crate::commands::show;
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::input;
use crate::output::Output;

/// Change an entry; what is not given stays, and what it was before is kept (`history`, `revert`).
#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// Its content hash, or the first 4 digits of it or more.
    hash: String,
    /// The project [default: default].
    #[arg(long, short)]
    project: Option<String>,
    /// A new text; `-` reads it from stdin. The entry gets a new hash.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    content: Option<String>,
    /// A new type.
    #[arg(long = "type", value_name = "TYPE")]
    knowledge_type: Option<String>,
    /// A new category.
    #[arg(long, conflicts_with = "no_category")]
    category: Option<String>,
    /// No category any more.
    #[arg(long)]
    no_category: bool,
    /// New labels instead of the old ones; may be given several times.
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "no_tags")]
    tags: Vec<String>,
    /// No labels any more.
    #[arg(long)]
    no_tags: bool,
    /// Members to set in the metadata: a JSON object; `null` removes one.
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    #[command(flatten)]
    expiry: ExpiryArgs,
    /// To be found for good.
    #[arg(long, conflicts_with_all = ["expires_in", "expires_at"])]
    never_expires: bool,
}

impl Update {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let (project, wanted): (_, EntryRef) =
            (deployment.project(self.project.as_deref())?, self.hash.parse()?);
        let max_bytes = deployment.settings.max_content_bytes;
        let embedding = if self.content.is_some() { Embedding::Needed } else { Embedding::Unused };
        let patch = Patch {
            content: self.content.map(|content| input::text(&content, max_bytes)).transpose()?,
            knowledge_type: self.knowledge_type,
            category: if self.no_category { Some(None) } else { self.category.map(Some) },
            tags: (self.no_tags || !self.tags.is_empty()).then_some(self.tags),
            metadata: input::metadata(self.metadata.as_deref())?,
            expires_at: if self.never_expires { Some(None) } else { self.expiry.resolve()?.map(Some) },
        };
        let store = deployment.open_store(Lifetime::OneCommand, embedding).await?;
        let Some(entry) = store.update(&project, &wanted, patch).await? else {
            return show::missing(out, &project, &wanted);
        };
        out.line(format_args!("✅ Updated knowledge: {}", entry.content_hash.short()));
        out.print(&entry)?;
        Ok(Exit::Done)
    }
}

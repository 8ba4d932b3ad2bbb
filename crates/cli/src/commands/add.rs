use agent_turbo_knowledge::{NewEntry, Outcome};
use anyhow::Result;

use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::input;
use crate::output::Output;

/// Add knowledge.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// The text; `-` reads it from stdin.
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// The project it belongs to [default: default].
    #[arg(long, short)]
    project: Option<String>,
    /// What kind of knowledge it is, such as `decision` or `fix` [default: general].
    #[arg(long = "type", value_name = "TYPE")]
    knowledge_type: Option<String>,
    /// A category of your own.
    #[arg(long)]
    category: Option<String>,
    /// A label; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Anything else worth noting: a JSON object.
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// The session it comes from.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// The platform of the agent it comes from, such as `claude`.
    #[arg(long)]
    platform: Option<String>,
}

impl Add {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let entry = NewEntry {
            project: deployment.project(self.project.as_deref())?,
            metadata: input::metadata(self.metadata.as_deref())?,
            content: input::text(&self.text, deployment.settings.max_content_bytes)?,
            knowledge_type: self.knowledge_type,
            category: self.category,
            tags: self.tags,
            source_session: self.session,
            source_agent_platform: self.platform,
        };
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Needed).await?;
        let added = store.add(entry).await?;
        match added.outcome {
            Outcome::Added => out.line(format_args!("✅ Added knowledge: {}", added.content_hash.short())),
            Outcome::Duplicate => out.line(format_args!("⚠️  Duplicate knowledge: {}", added.content_hash)),
        }
        if !added.redacted.is_empty() {
            out.line(format_args!("   Replaced before storing: {}", added.redacted.join(", ")));
        }
        if added.truncated {
            out.line("   Longer than the model reads: by meaning, only its beginning is found");
        }
        out.print(&added)?;
        Ok(Exit::Done)
    }
}

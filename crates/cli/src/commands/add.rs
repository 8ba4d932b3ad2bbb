use agent_turbo_knowledge::{Near, NewEntry, Outcome, State};
use anyhow::Result;

use crate::commands::expiry::ExpiryArgs;
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::input;
use crate::output::{DIM, Output, headline};

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
    #[command(flatten)]
    expiry: ExpiryArgs,
    /// An entry whose place it takes, by its hash: that one is not found any more; may be given several times.
    #[arg(long, value_name = "HASH", conflicts_with = "merge")]
    supersedes: Vec<String>,
    /// Make it the next version of the entry that says nearly the same, if there is one, instead of a second entry.
    #[arg(long)]
    merge: bool,
    /// From which cosine on two texts say nearly the same, 0 to 1 [default: 0.95].
    #[arg(long, value_name = "SIMILARITY")]
    near: Option<f32>,
    /// It comes from a source that is not trusted: it is not found until somebody approves it.
    #[arg(long, conflicts_with_all = ["merge", "supersedes"])]
    untrusted: bool,
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
            expires_at: self.expiry.resolve()?,
            supersedes: self.supersedes.iter().map(|hash| hash.parse()).collect::<Result<_, _>>()?,
            quarantine: self.untrusted,
            near: if self.merge { Near::Merged } else { Near::Reported },
            near_similarity: self.near,
        };
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Needed).await?;
        let added = store.add(entry).await?;
        match added.outcome {
            Outcome::Added => out.line(format_args!("✅ Added knowledge: {}", added.content_hash.short())),
            Outcome::Duplicate => out.line(format_args!("⚠️  Duplicate knowledge: {}", added.content_hash)),
            Outcome::Merged => out.line(format_args!("✅ Merged knowledge: {}", added.content_hash.short())),
        }
        if let Some(merged) = &added.merged {
            out.line(format_args!("   It was {} before: agent-turbo history shows it", merged.short()));
        }
        if added.state == State::Quarantined {
            out.line(format_args!(
                "   Not found before it is approved: agent-turbo approve {}",
                added.content_hash.short()
            ));
        } else if added.state != State::Current {
            out.line(format_args!("   Not found: it is {}", added.state));
        }
        for hash in &added.superseded {
            out.line(format_args!("   Takes the place of {}", hash.short()));
        }
        for near in &added.near_duplicates {
            out.line(format_args!(
                "   Nearly the same: {} {DIM}{:.3}{DIM:#} {}",
                near.content_hash.short(),
                near.similarity,
                headline(&near.headline, 100),
            ));
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

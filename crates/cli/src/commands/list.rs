use anyhow::Result;

use crate::commands::query::FilterArgs;
use crate::commands::show;
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, headline};

/// List entries, newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Entries at the most, 1 to 1000.
    #[arg(long, short, default_value_t = 20, value_name = "N", allow_negative_numbers = true)]
    limit: usize,
    /// Go on after the list that ended with this cursor.
    #[arg(long, value_name = "CURSOR")]
    before: Option<i64>,
    #[command(flatten)]
    filter: FilterArgs,
    /// List all projects.
    #[arg(long, conflicts_with = "project")]
    all_projects: bool,
}

impl List {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let filter = self.filter.resolve(deployment, self.all_projects)?;
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Unused).await?;
        let page = store.list(&filter, self.limit, self.before).await?;
        for entry in &page.entries {
            out.line(format_args!(
                "{BOLD}{}{BOLD:#} {DIM}{} {:<8}{DIM:#} {}{}",
                entry.content_hash.short(),
                entry.created_at.strftime("%Y-%m-%d %H:%M"),
                headline(&entry.knowledge_type, 20),
                show::state(entry),
                headline(&entry.content, 120),
            ));
        }
        if page.entries.is_empty() {
            out.line("Nothing is stored here.");
        }
        if let Some(next) = page.next {
            out.line(format_args!("{DIM}More: --before {next}{DIM:#}"));
        }
        out.print(&page)?;
        Ok(Exit::Done)
    }
}

mod performance;

use agent_turbo_knowledge::Count;
use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::output::{BOLD, Output, bytes, headline};

/// Count what is stored, or show how long operations take.
#[derive(Debug, clap::Args)]
pub(crate) struct Stats {
    /// Only this project [default: all].
    #[arg(long, short)]
    project: Option<String>,
    #[command(flatten)]
    timings: performance::Timings,
}

impl Stats {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        if self.timings.is_asked_for() {
            return self.timings.run(deployment, out).await;
        }
        let project = self.project.as_deref().map(|name| deployment.project(Some(name))).transpose()?;
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Unused).await?;
        let stats = store.stats(project.as_ref()).await?;
        let hidden = match stats.entries - stats.current {
            0 => String::new(),
            hidden => format!(" ({hidden} not found: superseded, in quarantine or expired)"),
        };
        out.line(format_args!(
            "{BOLD}{}{BOLD:#} entries{hidden}, {} with a vector, about {} tokens, found {} times, {} on disk",
            stats.entries,
            stats.embedded,
            stats.tokens,
            stats.accesses,
            bytes(u64::try_from(stats.disk_bytes).unwrap_or(0)),
        ));
        let groups =
            [("Project", &stats.projects), ("Type", &stats.knowledge_types), ("Model", &stats.models)];
        for (name, counts) in groups {
            if !counts.is_empty() {
                out.line("");
                out.line(table(name, counts));
            }
        }
        if let Some(recall) = &stats.recall {
            out.line(format_args!(
                "\nSearches found {:.1} % of the best ten results, by {} questions that were answered a second time by \
                 looking at everything.",
                100.0 * recall.recall_at_10,
                recall.questions,
            ));
        }
        out.print(&stats)?;
        Ok(Exit::Done)
    }
}

fn table(name: &str, counts: &[Count]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([name, "Entries"]);
    for count in counts {
        table.add_row([headline(&count.name, 60), count.entries.to_string()]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use agent_turbo_ingest as ingest;
use agent_turbo_knowledge::{Filter, Store};
use anyhow::{Context, Result};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::commands::query::FilterArgs;
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::input;
use crate::output::{Output, count, escaped, headline};
use crate::progress::Spinner;

/// Write knowledge as lines of JSON, from which `ingest` brings it back.
///
/// Each line holds an entry with its id, text, metadata, project, type, labels, times and counts; vectors are made anew.
/// Everything that is given must hold.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    #[command(flatten)]
    filter: FilterArgs,
    /// Export all projects.
    #[arg(long, conflicts_with = "project")]
    all_projects: bool,
    /// Write them to this file, which is there as a whole or not at all.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Lines between two signs of life.
const TOLD_EVERY: u64 = 500;

impl Export {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let filter = self.filter.resolve(deployment, self.all_projects)?;
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Unused).await?;
        let Some(path) = self.output else {
            let mut stdout = BufWriter::new(io::stdout());
            // On a screen the lines themselves are the progress.
            let exported = write_lines(&store, &filter, &mut stdout, !io::stdout().is_terminal()).await;
            exported.and_then(|_| Ok(stdout.flush()?)).context("write to stdout")?;
            return Ok(Exit::Done);
        };
        let name = path.display().to_string();
        let entries = write_file(&store, &filter, &path).await.with_context(|| format!("write {name}"))?;
        let (entries_in_words, shown) = (plural(entries), headline(&name, 200));
        out.line(format_args!("✅ Exported {entries_in_words} to {shown}"));
        out.print(&json!({ "entries": entries, "file": name }))?;
        Ok(Exit::Done)
    }
}

async fn write_file(store: &Store, filter: &Filter, path: &Path) -> Result<u64> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Knowledge is nobody else's business: the file is made for its owner alone.
    let mut file = NamedTempFile::new_in(folder)
        .map_err(|error| input::bad("the file", format!("{:?} cannot be made: {error}", path.display())))?;
    let mut buffered = BufWriter::new(file.as_file_mut());
    let entries = write_lines(store, filter, &mut buffered, true).await?;
    buffered.flush()?;
    drop(buffered);
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(entries)
}

async fn write_lines(
    store: &Store,
    filter: &Filter,
    to: &mut (impl io::Write + Send),
    is_told: bool,
) -> Result<u64> {
    let spinner = Spinner::new();
    let exported = ingest::export(store, filter, &mut |before, line| {
        if is_told && before.is_multiple_of(TOLD_EVERY) {
            spinner.show(&format!("Exported {}", plural(before)));
        }
        writeln!(to, "{}", escaped(line))
    })
    .await;
    spinner.finish();
    match exported {
        Ok(exported) => Ok(exported.entries),
        // A reader that has enough is no failure.
        Err(ingest::Error::Write(error)) => Err(error.into()),
        Err(error) => Err(error.into()),
    }
}

fn plural(entries: u64) -> String {
    if entries == 1 { count(1, "entry") } else { format!("{entries} entries") }
}

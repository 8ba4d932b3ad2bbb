use std::path::{Path, PathBuf};

use agent_turbo_migrator::{self as migrator, Counts, Options, Report};
use anyhow::Result;

use super::bar::Bar;
use super::options::SourceArgs;
use super::{print, proposals};
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::{Exit, fail};
use crate::output::{BOLD, DIM, Output, headline};

/// Import a store of the predecessors from its SQLite file.
///
/// Recognised are knowledge, patterns and entries as the stores before this one made them; for any other table say with
/// --table and --map what its columns mean: without, they are proposed and nothing is written. Vectors are always made
/// anew. Everything else is kept: times, tags, categories, counts, and what has no column here in the metadata, with the
/// file, the table and the row that each entry is from.
///
/// The file is read in one transaction and never written to, also while others use it. Run it again to go on after it
/// was stopped or killed: nothing is imported twice. At the end both sides are held against each other.
///
/// Exit codes: 0 everything was imported and verified, 1 it failed, was stopped, or the sides do not match, 2 the file or
/// its tables cannot be used, 4 the database or the embedding service cannot be used, 6 some rows were rejected, and all
/// others were imported and verified.
///
///   agent-turbo import sqlite old.db --dry-run
///   agent-turbo import sqlite old.db --project my-app
///   agent-turbo import sqlite notes.db --table notes --map content=title+body,created_at=ts
#[derive(Debug, clap::Args)]
#[command(about = "Import a store of the predecessors from its SQLite file", verbatim_doc_comment)]
pub(super) struct Sqlite {
    #[command(flatten)]
    source: SourceArgs,
    /// Say what would happen, with samples; write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Where rows go that cannot be imported, with the reasons, as lines of JSON [default: FILE's name with
    /// .rejects.jsonl, in this folder].
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

impl Sqlite {
    pub(super) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let mut options = self.source.options(deployment)?;
        options.dry_run = self.dry_run;
        options.rejects = Some(self.rejects.unwrap_or_else(|| rejects_of(&options.file)));
        let needed = if self.dry_run { Embedding::Unused } else { Embedding::Needed };
        let store = deployment.open_store(Lifetime::OneCommand, needed).await?;
        let bar = Bar::new();
        bar.hear_signals()?;
        let imported = migrator::import(&store, &options, &bar).await;
        bar.finish();
        let report = match imported {
            Err(migrator::Error::Unrecognised { proposals, .. }) => {
                return proposals::show(out, &options.file.display().to_string(), &proposals);
            }
            imported => imported?,
        };
        show(&mut out, &report);
        out.print(&report)?;
        Ok(conclude(&report, &options))
    }
}

fn show(out: &mut Output, report: &Report) {
    let Report { counts, dry_run, stopped, .. } = report;
    let head = match (dry_run, stopped) {
        (true, _) => "Nothing was written. An import would do this:".to_owned(),
        (_, true) => format!("Stopped after {} rows", counts.read),
        _ => format!("✅ Imported {} in {:.1} s", rate(counts, report.seconds), report.seconds),
    };
    out.line(format_args!("{BOLD}{head}{BOLD:#}"));
    print::counts(out, counts);
    for table in &report.tables {
        let Counts { read, rejected, .. } = table.counts;
        let mapping = headline(&table.mapping.to_string(), 200);
        let rejected = if rejected > 0 { format!(", {rejected} rejected") } else { String::new() };
        let table_name = headline(&table.table, 60);
        out.line(format_args!(
            "   {table_name} {DIM}({}, {read} rows{rejected}: {mapping}){DIM:#}",
            table.shape
        ));
    }
    for skipped in &report.skipped {
        out.line(format_args!("   {DIM}left out: {}, {}{DIM:#}", headline(&skipped.table, 60), skipped.why));
    }
    print::reading(out, report.reading);
    for (kind, count) in &report.redacted {
        out.line(format_args!("   Secrets replaced before storing: {count} × {kind}"));
    }
    if report.truncated > 0 {
        out.line(format_args!(
            "   {} texts are longer than the model reads: by meaning, only their beginnings are found",
            report.truncated
        ));
    }
    for sample in &report.samples {
        out.line(format_args!(
            "{BOLD}{} {}{BOLD:#}",
            headline(&sample.table, 60),
            headline(&sample.row.to_string(), 60)
        ));
        for (member, value) in sample.entry.as_object().into_iter().flatten() {
            if !value.is_null() {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                out.line(format_args!("   {DIM}{member}{DIM:#} {}", headline(&value, 200)));
            }
        }
    }
    if let Some(rejects) = &report.rejects {
        out.line(format_args!(
            "   Rejected rows, with the reasons: {}",
            headline(&rejects.display().to_string(), 200)
        ));
    }
    if let Some(verification) = &report.verification {
        let is_intact = verification.is_intact();
        out.line(if is_intact { "Verified: both sides match" } else { "Verified: the sides do not match" });
        print::verification(out, verification);
    }
}

fn rate(counts: &Counts, seconds: f64) -> String {
    let rate = counts.imported as f64 / seconds.max(0.001);
    format!("{} entries ({rate:.0} a second)", counts.imported)
}

/// What is not as it should be is told on stderr as well.
fn conclude(report: &Report, options: &Options) -> Exit {
    if report.stopped {
        return fail(
            "import everything: it was stopped",
            "run the same command again: it goes on where this one stopped",
        );
    }
    if !report.dry_run && !report.is_verified() {
        let flaws = report.verification.as_ref().map_or(0, |verification| verification.flaws);
        let file = options.file.display();
        return fail(
            &format!("verify the import: {flaws} rows or entries are not as they should be"),
            &format!("they are named above; agent-turbo import verify {file} looks again"),
        );
    }
    if report.counts.rejected > 0 { Exit::Rejected } else { Exit::Done }
}

/// In the folder where the program runs: the source's may not be written to.
fn rejects_of(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".rejects.jsonl");
    name.into()
}

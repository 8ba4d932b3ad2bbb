mod bar;
mod print;

use std::path::PathBuf;

use agent_turbo_ingest::{self as ingest, DEFAULT_CHARS, Heard, MIN_CHARS, Options, Report};
use anyhow::Result;

use bar::Bar;

use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::{Exit, complain, fail};
use crate::input::bad;
use crate::output::{Output, escaped, tell, write};

/// Bring documents into the knowledge: Markdown, text, source code, JSON lines.
///
/// Folders are read with everything below them, but for hidden files and what .gitignore excludes. Markdown is split at
/// its headings, source code at its functions and types (C, C++, Go, Java, JavaScript, Python, Rust, TypeScript), other
/// text at its paragraphs. Each piece knows its path, heading, lines and commit, and `query` shows them.
///
/// Run it again after changes: only new pieces are embedded, and what is gone from a folder that is given is removed. One
/// that was stopped or killed is gone on with in the same way.
///
/// Each line of a .jsonl or .ndjson file is one entry: {"id": …, "text": "…", "metadata": {…}}. Lines that `export` wrote keep
/// their type, times and counts and are entries of their own: they stay when the file goes.
///
/// Exit codes: 0 everything was taken, 1 it failed or was stopped, 2 a path or a line cannot be used, 4 the database or the
/// embedding service cannot be used, 6 some files or lines could not be taken, and all others were.
///
///   agent-turbo ingest docs src README.md
///   agent-turbo ingest . --include '*.md' --exclude 'vendor/**' --dry-run
///   agent-turbo ingest notes --project my-app --watch
#[derive(Debug, clap::Args)]
#[command(
    about = "Bring documents into the knowledge: Markdown, text, source code, JSON lines",
    verbatim_doc_comment
)]
pub(crate) struct Ingest {
    /// Files and folders.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The project that the entries belong to [default: default, or what a line of JSON says].
    #[arg(long, short)]
    project: Option<String>,
    /// Go on, and ingest again what changes, until Ctrl-C.
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    /// Say what would happen; write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Only files whose names fit, such as *.md, or docs/** below a folder that is given; may be given several times.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// No files whose names fit; may be given several times.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// The largest file that is taken, in bytes; lines of JSON have no such limit [default: 8388608].
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
    /// The longest piece, in characters; the default model reads about a thousand.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CHARS)]
    chunk_chars: usize,
    /// Stop at the first line of JSON that cannot be used.
    #[arg(long)]
    strict: bool,
}

impl Ingest {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        if self.chunk_chars < MIN_CHARS {
            return Err(bad("the longest piece", format!("{} is less than {MIN_CHARS}", self.chunk_chars)));
        }
        let (watch, defaults) = (self.watch, Options::new(self.paths));
        let options = Options {
            project: deployment.project(self.project.as_deref())?,
            is_project_given: self.project.is_some(),
            include: self.include,
            exclude: self.exclude,
            max_bytes: self.max_bytes.unwrap_or(defaults.max_bytes),
            chunk_chars: self.chunk_chars,
            strict: self.strict,
            dry_run: self.dry_run,
            ..defaults
        };
        let needed = if options.dry_run { Embedding::Unused } else { Embedding::Needed };
        let lifetime = if watch { Lifetime::LongLived } else { Lifetime::OneCommand };
        let store = deployment.open_store(lifetime, needed).await?;
        let bar = Bar::new();
        bar.hear_signals()?;
        if !watch {
            let ingested = ingest::ingest(&store, &options, &bar).await;
            bar.finish();
            let report = ingested?;
            let exit = conclude(&report);
            print::report(out, &report)?;
            return Ok(exit);
        }
        let is_json = out.is_json();
        let mut exit = Ok(Exit::Done);
        let watched = ingest::watch(&store, &options, &bar, bar.stopped(), &mut |heard| {
            bar.hide();
            if let Err(error) = tell_of(heard, is_json) {
                exit = Err(error);
                bar.stop();
            }
        })
        .await;
        bar.finish();
        watched?;
        exit
    }
}

/// Of a run among many.
fn tell_of(heard: Heard, is_json: bool) -> Result<()> {
    match heard {
        Heard::Ran(report) if is_json => {
            let line = serde_json::to_string(&report)? + "\n";
            write(&mut std::io::stdout().lock(), &escaped(&line))?;
        }
        Heard::Ran(report) => print::report(Output::new(false), &report)?,
        Heard::Watching => tell("Watching for changes; Ctrl-C ends it"),
        Heard::Failed(error) => complain(&error.into()),
    }
    Ok(())
}

fn conclude(report: &Report) -> Exit {
    if report.stopped {
        return fail(
            "ingest everything: it was stopped",
            "run the same command again: it goes on where this one stopped",
        );
    }
    if report.has_errors() { Exit::Rejected } else { Exit::Done }
}

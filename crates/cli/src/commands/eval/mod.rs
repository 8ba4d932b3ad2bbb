//! `eval`: how good the ranking is on a collection of one's own.

mod ask;
mod bar;
mod collection;
mod lines;
mod metrics;
mod print;
mod qrels;
mod records;
mod report;
mod run;
mod scratch;

use std::collections::HashMap;
use std::path::PathBuf;

use agent_turbo_knowledge::{Mode, Store};
use anyhow::Result;
use serde_json::json;

use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::{Exit, complain, fail};
use crate::input::bad;
use crate::output::Output;
use ask::{Answered, Asking};
use bar::Bar;
use collection::Collection;
use report::{ModeReport, Report};
use run::RunFile;
use scratch::{Filled, Scratch};

/// Judge the ranking on documents and queries of one's own.
///
/// Adds the documents to a project of their own, asks every query there, holds the results against the judgments, and
/// removes the project, also when something fails or after Ctrl-C. Nobody else's search sees it.
///
/// Documents and queries are lines of JSON, {"id": "d1", "text": "…", "meta": {}}; BEIR's _id and title are understood. An id
/// may be a whole number. Lines may carry meta.scope: then a query searches the documents of its own scope alone, and one
/// without a scope those without. Judgments are lines with tabs, QUERY DOCUMENT RELEVANCE; BEIR's header line and TREC's
/// four columns (QUERY 0 DOCUMENT RELEVANCE) are understood. A document is relevant from 1 on. An unknown id, an id or a
/// judgment that stands there twice, and a line that cannot be read are refused, with the number of the line.
///
/// Figures follow trec_eval: nDCG@10 takes the relevance itself as gain and log2(rank + 1) as discount, and its ideal is made
/// of all judged documents; recall@5, @10 and @100; MRR@10. They are means over the queries that have a relevant document,
/// each with its standard error (sample standard deviation / √queries). Documents of one text are one entry: where it is
/// found all of them are, in the order of their ids.
///
/// Times are of a whole question, its embedding included, with none of our own caches. An embedding service that remembers
/// texts, as ours does, answers sooner what it was asked before, by an earlier mode for example: for times, start it anew
/// and ask one mode.
#[derive(Debug, clap::Args)]
#[command(
    about = "Judge the ranking on documents and queries of one's own",
    after_long_help = "\
Examples:
  agent-turbo eval --docs docs.jsonl --queries queries.jsonl --qrels qrels.tsv
  agent-turbo eval --docs corpus.jsonl --queries queries.jsonl --qrels test.tsv --mode all --run-out out.run --keep
  agent-turbo eval --docs corpus.jsonl --queries queries.jsonl --qrels test.tsv --project eval-0123456789abcdef
  agent-turbo eval --remove eval-0123456789abcdef"
)]
pub(crate) struct Eval {
    /// The documents.
    #[arg(long, value_name = "FILE", required_unless_present = "remove")]
    docs: Option<PathBuf>,
    /// The queries.
    #[arg(long, value_name = "FILE", required_unless_present = "remove")]
    queries: Option<PathBuf>,
    /// Which documents answer which queries.
    #[arg(long, value_name = "FILE", required_unless_present = "remove")]
    qrels: Option<PathBuf>,
    /// How to look: hybrid, vector, text, several of them with commas, or all, side by side [default: hybrid].
    #[arg(long = "mode", value_name = "MODE", value_delimiter = ',')]
    modes: Vec<String>,
    /// Results of each query at the most, 1 to 1000.
    #[arg(long, short, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Queries under way at once, 1 to 64. Above 1 they wait for each other, and their times say so.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    concurrency: u8,
    /// Write the results as a TREC run; with several modes, one file for each, FILE.hybrid and so on.
    #[arg(long, value_name = "FILE")]
    run_out: Option<PathBuf>,
    /// Tell what each query was worth, too.
    #[arg(long)]
    per_query: bool,
    /// Keep the project and print its name.
    #[arg(long)]
    keep: bool,
    /// Use one that was kept for the same documents, and keep it: what is there is not embedded again.
    #[arg(long, short, value_name = "NAME")]
    project: Option<String>,
    /// Remove one that was kept, and do nothing else.
    #[arg(long, value_name = "NAME",
          conflicts_with_all = ["docs", "queries", "qrels", "modes", "run_out", "per_query", "keep", "project"])]
    remove: Option<String>,
}

/// What is evaluated, and how.
struct Plan {
    collection: Collection,
    modes: Vec<Mode>,
    asking: Asking,
    scratch: Scratch,
    is_kept: bool,
    per_query: bool,
}

impl Eval {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        if let Some(name) = &self.remove {
            return remove(deployment, out, name).await;
        }
        let plan = self.plan(deployment.settings.max_content_bytes)?;
        let runs = self.run_files(&plan)?;
        let store = deployment.open_store(Lifetime::OneCommand, Embedding::Needed).await?;
        let asked = deployment.open_forgetful_store().await?;
        plan.scratch.check(&store, &plan.collection).await?;
        let bar = Bar::new();
        bar.hear_signals(plan.scratch.name())?;
        let evaluated = plan.evaluate(&store, &asked, &bar).await;
        let removed = if plan.is_kept { Ok(()) } else { plan.scratch.remove(&store).await };
        bar.finish();
        if let (Err(_), Err(left)) = (&evaluated, &removed) {
            complain(left);
        }
        let evaluated = evaluated?;
        removed?;
        let Some((mut report, answers)) = evaluated else { return Ok(plan.stopped()) };
        for (place, run) in runs.into_iter().enumerate() {
            let path = run.write(plan.modes[place], &plan.collection, &answers[place])?;
            report.modes[place].run_file = Some(path.display().to_string());
        }
        print::report(&mut out, &report);
        out.print(&report)?;
        Ok(Exit::Done)
    }

    /// Reads and checks everything before anything is started.
    fn plan(&self, max_content_bytes: usize) -> Result<Plan> {
        let modes = modes(&self.modes)?;
        let (Some(documents), Some(queries), Some(qrels)) = (&self.docs, &self.queries, &self.qrels) else {
            return Err(bad("the arguments", "--docs, --queries and --qrels belong together".to_owned()));
        };
        let collection = Collection::read(documents, queries, qrels, max_content_bytes)?;
        Ok(Plan {
            modes,
            asking: Asking { limit: self.limit.into(), concurrency: self.concurrency.into() },
            scratch: Scratch::new(self.project.as_deref(), &collection)?,
            is_kept: self.keep || self.project.is_some(),
            per_query: self.per_query,
            collection,
        })
    }

    /// One for each mode, or none at all.
    fn run_files(&self, plan: &Plan) -> Result<Vec<RunFile>> {
        let Some(path) = &self.run_out else { return Ok(Vec::new()) };
        let several = plan.modes.len() > 1;
        plan.modes.iter().map(|&mode| RunFile::create(path, mode, several, &plan.collection)).collect()
    }
}

impl Plan {
    /// The report, and for each mode what was answered; `None` when it was told to stop.
    async fn evaluate(
        &self,
        store: &Store,
        asked: &Store,
        bar: &Bar,
    ) -> Result<Option<(Report, Vec<Vec<Answered>>)>> {
        let Some(filled) = self.scratch.fill(store, &self.collection, bar).await? else { return Ok(None) };
        let mut report = self.report(&filled);
        report.model = store.default_model().await?.map(|model| model.name.clone());
        let mut answers = Vec::with_capacity(self.modes.len());
        for &mode in &self.modes {
            let asking = self.asking.ask(asked, mode, &self.collection, &self.scratch, &filled, bar);
            let answered = tokio::select! {
                answered = asking => answered?,
                // Nothing is changed by a question that is given up.
                () = bar.stopped() => return Ok(None),
            };
            report.modes.push(ModeReport::of(mode, &self.collection, &answered, self.per_query));
            answers.push(answered);
        }
        Ok(Some((report, answers)))
    }

    /// What is known before anything is asked.
    fn report(&self, filled: &Filled) -> Report {
        let judged = &self.collection.judged;
        let without_judgments = judged.iter().filter(|judged| judged.is_empty()).count();
        let with_relevant = judged.iter().filter(|judged| judged.values().any(|&gain| gain > 0)).count();
        Report {
            documents: self.collection.documents.len(),
            entries: filled.stands_for.iter().map(HashMap::len).sum(),
            documents_without_text: filled.without_text,
            documents_redacted: filled.redacted,
            documents_truncated: filled.truncated,
            scopes: self.collection.scopes.len(),
            queries: judged.len(),
            queries_judged: with_relevant,
            queries_without_judgments: without_judgments,
            queries_without_relevant: judged.len() - without_judgments - with_relevant,
            relevant_out_of_scope: self.collection.relevant_out_of_scope(),
            model: None,
            limit: self.asking.limit,
            concurrency: self.asking.concurrency,
            project: self.is_kept.then(|| self.scratch.name().to_owned()),
            modes: Vec::new(),
        }
    }

    fn stopped(&self) -> Exit {
        let name = self.scratch.name();
        let hint = if self.is_kept {
            format!("--project {name} goes on where it stopped; agent-turbo eval --remove {name} removes it")
        } else {
            "nothing is left of it; run the same command again".to_owned()
        };
        fail("evaluate the ranking: it was stopped", &hint)
    }
}

/// Each mode that was named, once.
fn modes(asked_for: &[String]) -> Result<Vec<Mode>> {
    let mut modes = Vec::new();
    for name in asked_for {
        let named = match name.as_str() {
            "all" => vec![Mode::Hybrid, Mode::Vector, Mode::Text],
            name => vec![name.parse()?],
        };
        for mode in named {
            if !modes.contains(&mode) {
                modes.push(mode);
            }
        }
    }
    if modes.is_empty() {
        modes.push(Mode::default());
    }
    Ok(modes)
}

async fn remove(deployment: &Deployment, mut out: Output, name: &str) -> Result<Exit> {
    scratch::check_name(name)?;
    let store = deployment.open_store(Lifetime::OneCommand, Embedding::Unused).await?;
    let entries = scratch::remove_kept(&store, name).await?;
    if entries == 0 {
        out.line(format_args!("No project {name}."));
    } else {
        out.line(format_args!("✅ Removed {name} and its entries: {entries}"));
    }
    out.print(&json!({ "project": name, "entries_removed": entries }))?;
    Ok(if entries == 0 { Exit::NotFound } else { Exit::Done })
}

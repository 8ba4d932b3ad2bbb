use std::time::Instant;

use agent_turbo_knowledge::{self as knowledge, Filter, Hit, Match, Mode, Ranking, Share};
use anyhow::Result;
use serde_json::json;

use crate::commands::show;
use crate::deployment::{Deployment, Embedding, Lifetime};
use crate::exit::Exit;
use crate::input;
use crate::output::{BOLD, DIM, GOOD, Output, harmless, headline, tell};
use crate::running::{self, Answered};

/// Find knowledge.
#[derive(Debug, clap::Args)]
pub(crate) struct Query {
    /// The question; `-` reads it from stdin.
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// Results at the most, 1 to 1000.
    #[arg(long, short, default_value_t = 10, value_name = "N", allow_negative_numbers = true)]
    limit: usize,
    /// How to look: by meaning (vector), by words (text), or by both (hybrid).
    #[arg(long, default_value = "hybrid", value_name = "MODE")]
    mode: String,
    #[command(flatten)]
    filter: FilterArgs,
    /// Look in all projects.
    #[arg(long, conflicts_with = "project")]
    all_projects: bool,
    #[command(flatten)]
    ranking: RankingArgs,
}

/// How results are put in order.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Ranking")]
struct RankingArgs {
    /// Only entries whose cosine to the question is at least so much, -1 to 1.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    min_similarity: Option<f32>,
    /// Prefer newer entries: what an entry gains by being new is halved after so many days.
    #[arg(long, value_name = "DAYS")]
    prefer_recent: Option<u32>,
    /// Prefer entries that were found often.
    #[arg(long)]
    prefer_used: bool,
    /// How much results are to differ from each other, 0 to 1.
    #[arg(long, value_name = "X")]
    diversity: Option<f32>,
    /// List entries with nearly the same words each by itself, instead of the best one for all.
    #[arg(long)]
    no_fold: bool,
    /// Say why each entry was found, and what its score is made of.
    #[arg(long)]
    explain: bool,
}

impl RankingArgs {
    fn resolve(self) -> Result<Ranking> {
        Ok(Ranking {
            min_similarity: self.min_similarity.map(Share::new).transpose()?,
            recency_half_life_days: self.prefer_recent,
            usage: self.prefer_used,
            fold: !self.no_fold,
            diversity: self.diversity.map(Share::new).transpose()?,
            explain: self.explain,
        })
    }
}

/// Which entries count; everything that is given must hold.
#[derive(Debug, clap::Args)]
pub(crate) struct FilterArgs {
    /// The project [default: default].
    #[arg(long, short)]
    project: Option<String>,
    /// One of these types; may be given several times.
    #[arg(long = "type", value_name = "TYPE")]
    knowledge_types: Vec<String>,
    /// This category.
    #[arg(long)]
    category: Option<String>,
    /// All of these labels; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Metadata that holds these members: a JSON object.
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// Entries that are current, quarantined, superseded or expired, or all of them.
    #[arg(long, default_value = "current", value_name = "STATE")]
    state: String,
}

impl FilterArgs {
    pub(crate) fn resolve(self, deployment: &Deployment, all_projects: bool) -> Result<Filter> {
        Ok(Filter {
            project: if all_projects { None } else { Some(deployment.project(self.project.as_deref())?) },
            knowledge_types: self.knowledge_types,
            category: self.category,
            tags: self.tags,
            metadata: input::metadata(self.metadata.as_deref())?,
            states: self.state.parse()?,
        })
    }
}

impl Query {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        let mode: Mode = self.mode.parse()?;
        let query = knowledge::Query {
            text: input::text(&self.text, deployment.settings.max_content_bytes)?,
            limit: self.limit,
            mode,
            filter: self.filter.resolve(deployment, self.all_projects)?,
            ranking: self.ranking.resolve()?,
        };
        let started = Instant::now();
        if let Some(Answered { results, mode, degraded }) = running::ask(deployment, &query).await {
            let found = Found { query: &query.text, mode, degraded: degraded.as_deref(), hits: &results };
            found.print(out, started)?;
            return Ok(Exit::Done);
        }
        let embedding = match mode {
            Mode::Text => Embedding::Unused,
            Mode::Vector => Embedding::Needed,
            Mode::Hybrid => Embedding::Wanted,
        };
        let store = deployment.open_store(Lifetime::OneCommand, embedding).await?;
        let answer = store.query(&query).await?;
        let found = Found {
            query: &query.text,
            mode: answer.mode,
            degraded: answer.degraded.as_deref(),
            hits: &answer.hits,
        };
        found.print(out, started)?;
        // The question is answered. That it could not be counted, on a read-only server for example, is no failure.
        if let Err(error) = store.flush().await {
            tracing::info!("failed to {error}");
        }
        Ok(Exit::Done)
    }
}

/// An answer, whoever gave it.
struct Found<'a> {
    query: &'a str,
    mode: Mode,
    degraded: Option<&'a str>,
    hits: &'a [Hit],
}

impl Found<'_> {
    fn print(&self, mut out: Output, started: Instant) -> Result<()> {
        let elapsed_ms = started.elapsed().as_secs_f64() * 1000.0;
        if let Some(reason) = self.degraded {
            tell(format_args!("⚠️  {}", harmless(reason)));
        }
        for (rank, hit) in (1..).zip(self.hits.iter()) {
            let entry = &hit.entry;
            let similarity = hit.similarity.map_or_else(|| "  –  ".to_owned(), |value| format!("{value:.3}"));
            let text = headline(&entry.content, 160);
            let state = show::state(entry);
            out.line(format_args!("{BOLD}{rank:>3}.{BOLD:#} {GOOD}{similarity}{GOOD:#}  {state}{text}"));
            let tags: String = entry.tags.iter().map(|tag| format!(" #{}", headline(tag, 40))).collect();
            let day = entry.created_at.strftime("%Y-%m-%d");
            out.line(format_args!(
                "             {DIM}{} · {} · {} · {day}{tags}{DIM:#}",
                entry.content_hash.short(),
                headline(&entry.project, 60),
                headline(&entry.knowledge_type, 40),
            ));
            print_reasons(&mut out, hit);
            if let Some(location) = entry.location() {
                out.line(format_args!("             {DIM}{}{DIM:#}", headline(&location.to_string(), 200)));
            }
        }
        if self.hits.is_empty() {
            out.line("Nothing was found.");
        }
        out.print(&json!({
            "query": self.query,
            "mode": self.mode,
            "degraded": self.degraded,
            "elapsed_ms": elapsed_ms,
            "results": self.hits.iter().map(Located::of).collect::<Vec<_>>(),
        }))
    }
}

/// What else there is to say of a hit.
fn print_reasons(out: &mut Output, hit: &Hit) {
    if !hit.folded.is_empty() {
        let hashes: Vec<_> = hit.folded.iter().map(|hash| headline(hash.short(), 8)).collect();
        out.line(format_args!("             {DIM}nearly the same: {}{DIM:#}", hashes.join(", ")));
    }
    let Some(why) = &hit.why else { return };
    let deviations = |value: Option<f32>| value.map_or_else(String::new, |value| format!(" ({value:+.2} σ)"));
    let number = |value: Option<f32>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    out.line(format_args!(
        "             score {:.3}: similarity {}{}, text {}{}",
        hit.score,
        number(hit.similarity),
        deviations(why.similarity_deviations),
        number(hit.text_score),
        deviations(why.text_deviations),
    ));
    for (what, value) in [("being new", why.recency), ("being used", why.usage)] {
        if let Some(value) = value {
            out.line(format_args!("             {value:+.3} for {what}"));
        }
    }
    if !why.words.is_empty() {
        let word = |found: &Match| {
            format!(
                "{} ×{} {:.2} (in {})",
                headline(&found.word, 40),
                found.times,
                found.score,
                found.entries
            )
        };
        let words: Vec<String> = why.words.iter().map(word).collect();
        out.line(format_args!("             {DIM}{}{DIM:#}", words.join(", ")));
    }
}

/// A hit that says where it stands, if it is from a document.
#[derive(serde::Serialize)]
struct Located<'a> {
    #[serde(flatten)]
    hit: &'a Hit,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
}

impl<'a> Located<'a> {
    fn of(hit: &'a Hit) -> Self {
        Self { hit, location: hit.entry.location().map(|location| location.to_string()) }
    }
}

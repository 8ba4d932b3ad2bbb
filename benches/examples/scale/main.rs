//! How searching behaves with many entries: loading, indexes, latency in every mode and at every selectivity, and how much of
//! the exact answer is found.
//!
//! `cargo run --release -p agent-turbo-benches --example scale -- 10000 100000 1000000`
//!
//! Each size gets a PostgreSQL of its own in a temporary folder, with the settings of the embedded default. Texts are varied
//! sentences of this project's documents, vectors are mixtures of those sentences' real vectors: see `corpus.rs`.
//!
//! `--keep DIR` keeps the folders below DIR, and loads nothing where one is already full.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is for whoever runs it")]

mod ask;
mod corpus;
mod load;

use std::path::{Path, PathBuf};
use std::time::Instant;

use agent_turbo_db::{self as db, ConnectionUrl, Database};
use agent_turbo_knowledge::{Mode, Options, Query, Store, session_settings};
use agent_turbo_stack::{self as stack, Home, PostgresOptions};
use anyhow::{Context, Result, ensure};

use corpus::Corpus;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).peekable();
    let keep = args.next_if_eq("--keep").and_then(|_| args.next()).map(PathBuf::from);
    let sizes: Vec<u64> = args
        .map(|size| size.parse().with_context(|| format!("{size:?} is no number of entries")))
        .collect::<Result<_>>()?;
    ensure!(!sizes.is_empty(), "which sizes? For example: 10000 100000 1000000");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let embed = agent_turbo_test_support::embedding_client().await?;
        let started = Instant::now();
        let corpus = Corpus::new(&embed).await?;
        println!("{} sentences embedded in {:.1?}", corpus.sentences(), started.elapsed());
        for size in sizes {
            measure(size, &corpus, embed.clone(), keep.as_deref()).await?;
        }
        Ok(())
    })
}

async fn measure(
    size: u64,
    corpus: &Corpus,
    embed: agent_turbo_embed::Client,
    keep: Option<&Path>,
) -> Result<()> {
    let temporary = tempfile::Builder::new().prefix("agent-turbo-scale-").tempdir()?;
    let dir = keep.map_or_else(|| temporary.path().to_owned(), |keep| keep.join(size.to_string()));
    std::fs::create_dir_all(&dir)?;
    // As root, PostgreSQL runs as another user, who must reach the folder.
    std::fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let home = Home::at(dir.join("home")).with_wheels(agent_turbo_test_support::home().path().join("wheels"));
    let outcome = measure_in(&home, size, corpus, embed).await;
    stack::down(&home).await?;
    outcome
}

async fn measure_in(home: &Home, size: u64, corpus: &Corpus, embed: agent_turbo_embed::Client) -> Result<()> {
    let postgres = stack::ensure_postgres(home, &PostgresOptions::default(), &stack::quiet).await?;
    let mut config = db::Config::new(ConnectionUrl::new(postgres.url().expose()));
    db::migrate(&config).await?;
    config.session_settings = session_settings();
    // The exact answers, that is, which read everything.
    config.statement_timeout = std::time::Duration::from_mins(10);
    let database = Database::connect(config).await?;
    println!("\n## {size} entries");
    if !load::is_full(&database, size).await? {
        load::load(&database, size, corpus).await?;
    }
    let options = Options { result_cache_bytes: 0, ..Options::default() };
    let store = Store::open(database.clone(), embed.clone(), options).await?;
    // The first question finds that entries are on no list of frequent words, and has them packed in the background.
    let started = Instant::now();
    for number in 0.. {
        store.query(&Query { mode: Mode::Text, ..Query::new(corpus.question(number, size)) }).await?;
        store.flush().await?;
        if load::is_packed(&database).await? {
            break;
        }
    }
    println!("- lists of frequent words: {:.1} s", started.elapsed().as_secs_f64());
    load::warm(&database).await?;
    ask::ask(&store, &embed, size, corpus).await?;
    load::print_sizes(&database, postgres.pid()).await
}

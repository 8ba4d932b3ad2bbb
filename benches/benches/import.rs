//! Importing an SQLite store, verification included, held against embedding the same number of texts of the same lengths
//! alone, by the same client and service.

use std::cell::{Cell, LazyCell};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use agent_turbo_benches::{Pair, Report, is_smoke, run, sure, texts};
use agent_turbo_db::{self as db, Database};
use agent_turbo_embed as embed;
use agent_turbo_knowledge::{Options, Store, session_settings};
use agent_turbo_migrator as migrator;
use agent_turbo_test_support::{PrivateCluster, embedding_client};
use anyhow::{Result, ensure};
use criterion::{Criterion, SamplingMode};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Lengths that notes have, in sentences.
const SENTENCES: usize = 8;

fn main() {
    run("import", bench);
}

fn bench(criterion: &mut Criterion, report: &Report) {
    let runtime = sure(Runtime::new());
    let scene = LazyCell::new(|| sure(runtime.block_on(Scene::open())));
    let mut group = criterion.benchmark_group("import");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(30));
    let pair = Pair::default();
    group.bench_function("sqlite", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                total += sure(runtime.block_on(scene.round(&pair)));
            }
            total
        });
    });
    report.ratio("import from SQLite", &pair);
    if let Some(median) = pair.subject.median() {
        let rate = scene.texts as f64 / median.as_secs_f64();
        report.note("import", &format!("{rate:.0} entries/s"));
    }
}

struct Scene {
    store: Store,
    embed: embed::Client,
    texts: usize,
    round: Cell<usize>,
    dir: TempDir,
    /// Last, for the others are connected to it.
    _cluster: PrivateCluster,
}

impl Scene {
    async fn open() -> Result<Self> {
        let cluster = PrivateCluster::start().await?;
        let config =
            db::Config { session_settings: session_settings(), ..db::Config::new(cluster.url().await?) };
        db::migrate(&config).await?;
        let embed = embedding_client().await?;
        let store = Store::open(Database::connect(config).await?, embed.clone(), Options::default()).await?;
        let texts = if is_smoke() { 2 * SENTENCES } else { 60 * SENTENCES };
        Ok(Self { store, embed, texts, round: Cell::new(0), dir: TempDir::new()?, _cluster: cluster })
    }

    /// Subject and floor once each, taking turns in going first; what both read is made before.
    async fn round(&self, pair: &Pair) -> Result<Duration> {
        let round = self.round.replace(self.round.get() + 1);
        let file = self.source(round)?;
        let texts = self.notes();
        if round.is_multiple_of(2) {
            let taken = self.import(file, pair).await?;
            self.embed(&texts, pair).await?;
            Ok(taken)
        } else {
            self.embed(&texts, pair).await?;
            self.import(file, pair).await
        }
    }

    async fn import(&self, file: PathBuf, pair: &Pair) -> Result<Duration> {
        let start = Instant::now();
        let report = migrator::import(&self.store, &migrator::Options::new(file), &()).await?;
        let taken = pair.subject.add(start);
        ensure!(report.is_verified() && report.counts.imported == self.texts as u64, "{report:?}");
        Ok(taken)
    }

    async fn embed(&self, texts: &[String], pair: &Pair) -> Result<()> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let start = Instant::now();
        let embeddings = self.embed.embed_batch(&texts).await?;
        pair.floor.add(start);
        ensure!(embeddings.iter().all(Result::is_ok), "a text could not be embedded");
        Ok(())
    }

    /// The same lengths in the same order each time, and no text twice.
    fn notes(&self) -> Vec<String> {
        (0..self.texts).map(|index| texts::note(1 + index * 5 % SENTENCES)).collect()
    }

    fn source(&self, round: usize) -> Result<PathBuf> {
        let file = self.dir.path().join(format!("{round}.db"));
        let mut connection = Connection::open(&file)?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(
            "CREATE TABLE knowledge (id TEXT PRIMARY KEY, timestamp REAL, content TEXT, embedding BLOB,
                 token_count INTEGER, category TEXT, ref_ids JSON, usage_count INTEGER, last_accessed REAL)",
        )?;
        for (index, note) in self.notes().iter().enumerate() {
            transaction.execute(
                "INSERT INTO knowledge VALUES (?1, 1760000000.5 + ?2, ?3, randomblob(3072), 20, 'bench', '[]', 3, 0)",
                (format!("k{round}_{index}"), index as i64, note),
            )?;
        }
        transaction.commit()?;
        Ok(file)
    }
}

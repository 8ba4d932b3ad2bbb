//! Ingesting a folder of Markdown, held against embedding the same number of texts of the same lengths alone, by the same
//! client and service.

use std::cell::{Cell, LazyCell};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use agent_turbo_benches::{Pair, Report, is_smoke, run, sure, texts};
use agent_turbo_db::{self as db, Database};
use agent_turbo_embed as embed;
use agent_turbo_ingest::{self as ingest, Options as Ingest};
use agent_turbo_knowledge::{Options, Store, session_settings};
use agent_turbo_test_support::{PrivateCluster, embedding_client};
use anyhow::{Result, ensure};
use criterion::{Criterion, SamplingMode};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Lengths that sections have, in sentences; the longest are as long as a chunk.
const SENTENCES: usize = 8;
/// Sections of a document.
const SECTIONS: usize = 24;

fn main() {
    run("ingest", bench);
}

fn bench(criterion: &mut Criterion, report: &Report) {
    let runtime = sure(Runtime::new());
    let scene = LazyCell::new(|| sure(runtime.block_on(Scene::open())));
    let mut group = criterion.benchmark_group("ingest");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(30));
    let pair = Pair::default();
    group.bench_function("markdown", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                total += sure(runtime.block_on(scene.round(&pair)));
            }
            total
        });
    });
    report.share("ingest", &pair);
    if let Some(median) = pair.subject.median() {
        let rate = scene.texts as f64 / median.as_secs_f64();
        report.note("ingest", &format!("{rate:.0} chunks/s"));
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
        let folder = self.source(round)?;
        let texts = self.sections();
        if round.is_multiple_of(2) {
            let taken = self.ingest(folder, pair).await?;
            self.embed(&texts, pair).await?;
            Ok(taken)
        } else {
            self.embed(&texts, pair).await?;
            self.ingest(folder, pair).await
        }
    }

    async fn ingest(&self, folder: PathBuf, pair: &Pair) -> Result<Duration> {
        let start = Instant::now();
        let report = ingest::ingest(&self.store, &Ingest::new(vec![folder]), &()).await?;
        let taken = pair.subject.add(start);
        ensure!(report.chunks.embedded == self.texts as u64 && !report.has_errors(), "{report:?}");
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
    fn sections(&self) -> Vec<String> {
        (0..self.texts)
            .map(|index| format!("# Part {index}\n\n{}\n", texts::note(1 + index * 5 % SENTENCES)))
            .collect()
    }

    fn source(&self, round: usize) -> Result<PathBuf> {
        let folder = self.dir.path().join(round.to_string());
        fs::create_dir(&folder)?;
        for (number, document) in self.sections().chunks(SECTIONS).enumerate() {
            fs::write(folder.join(format!("{number:03}.md")), document.join("\n"))?;
        }
        Ok(folder)
    }
}

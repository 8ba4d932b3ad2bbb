//! Adding and asking in process, on a durable server with some thousand entries and the real model.
//!
//! The floor of each is what it cannot do without: the embedding, by the same client, and the store's own statements,
//! run bare on a plain connection that prepared them.

use std::cell::LazyCell;
use std::time::{Duration, Instant};

use agent_turbo_benches::{Pair, Report, Times, is_smoke, run, sure, texts};
use agent_turbo_db::{self as db, Database};
use agent_turbo_embed as embed;
use agent_turbo_knowledge::{Filter, NewEntry, Options, Outcome, Project, Query, Store, session_settings};
use agent_turbo_test_support::{PrivateCluster, embedding_client};
use anyhow::{Context, Result, ensure};
use criterion::{Criterion, SamplingMode};
use pgvector::Vector;
use tokio::runtime::Runtime;
use tokio_postgres::{NoTls, Statement};

/// Entries that each way of looking finds at the most, for the default limit.
const MATCHING: i64 = 2000;
const NEAREST: i64 = 100;

fn main() {
    run("knowledge", bench);
}

fn bench(criterion: &mut Criterion, report: &Report) {
    let runtime = sure(Runtime::new());
    // Opened by the first bench that is not filtered out.
    let scene = LazyCell::new(|| sure(runtime.block_on(Scene::open(report))));
    let mut group = criterion.benchmark_group("knowledge");
    group.warm_up_time(Duration::from_secs(1));

    let cached = Times::default();
    group.bench_function("cached query", |bencher| {
        let query = question();
        sure(runtime.block_on(scene.remember(&query)));
        bencher.iter_custom(|calls| {
            sure(runtime.block_on(cached.time_async(calls, async || {
                ensure!(scene.store.query(&query).await?.cached, "the answer was not in the cache");
                Ok(())
            })))
        });
    });
    report.median("cached query", &cached);

    group.sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(10));
    let uncached = Pair::default();
    group.bench_function("uncached query", |bencher| {
        bencher.iter_custom(|rounds| {
            sure(runtime.block_on(uncached.alternate(
                rounds,
                async || scene.ask().await,
                async || scene.ask_bare().await,
            )))
        });
    });
    report.ratio("uncached query", &uncached);

    let add = Pair::default();
    group.bench_function("add", |bencher| {
        bencher.iter_custom(|rounds| {
            sure(runtime.block_on(add.alternate(
                rounds,
                async || scene.add().await,
                async || scene.add_bare().await,
            )))
        });
    });
    report.ratio("add", &add);

    let duplicate = Times::default();
    group.bench_function("duplicate add", |bencher| {
        let text = texts::entry();
        sure(runtime.block_on(scene.add_text(&text, Outcome::Added)));
        bencher.iter_custom(|calls| {
            let again = async || scene.add_text(&text, Outcome::Duplicate).await;
            sure(runtime.block_on(duplicate.time_async(calls, again)))
        });
    });
    report.figure("duplicate add", &duplicate);
}

/// As the program asks when nothing else is said.
fn question() -> Query {
    Query { filter: Filter::project(Project::default()), ..Query::new(texts::question()) }
}

struct Scene {
    store: Store,
    embed: embed::Client,
    bare: Bare,
    /// Last, for the others are connected to it.
    _cluster: PrivateCluster,
}

/// A plain connection with the store's statements prepared.
struct Bare {
    client: tokio_postgres::Client,
    words: Statement,
    by_words: Statement,
    by_meaning: Statement,
    found: Statement,
    insert: Statement,
}

impl Scene {
    async fn open(report: &Report) -> Result<Self> {
        let cluster = PrivateCluster::start().await?;
        let config =
            db::Config { session_settings: session_settings(), ..db::Config::new(cluster.url().await?) };
        db::migrate(&config).await?;
        let embed = embedding_client().await?;
        let store =
            Store::open(Database::connect(config.clone()).await?, embed.clone(), Options::default()).await?;

        let entries: u32 = if is_smoke() { 64 } else { 4096 };
        let batch = (0..entries).map(|_| NewEntry::new(texts::entry())).collect();
        let start = Instant::now();
        store.add_batch(batch).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let rate = f64::from(entries) / start.elapsed().as_secs_f64();
        report.note(
            "batch add",
            &format!("{rate:.0} entries/s ({entries} into an empty store, embedding included)"),
        );

        let bare = Bare::prepare(config, &embed).await?;
        bare.client.batch_execute("ANALYZE agent_knowledge").await?;
        Ok(Self { store, embed, bare, _cluster: cluster })
    }

    /// Asks until the answer comes from memory: the store's listener may still be connecting.
    async fn remember(&self, query: &Query) -> Result<()> {
        while !self.store.query(query).await?.cached {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    async fn ask(&self) -> Result<()> {
        let answer = self.store.query(&question()).await?;
        ensure!(
            !answer.cached && answer.degraded.is_none() && !answer.hits.is_empty(),
            "a whole answer: {answer:?}"
        );
        Ok(())
    }

    async fn ask_bare(&self) -> Result<()> {
        let (query, project) = (question(), Project::default());
        let (project, bare) = (project.as_str(), &self.bare);
        let asked = async { Ok(bare.client.query(&bare.words, &[&query.text, &project]).await?) };
        let (asked, vector) = futures_util::future::try_join(asked, self.vector(&query.text)).await?;
        let words = asked.iter().filter_map(|row| row.get::<_, Option<String>>("word"));
        let words: Vec<String> = words.map(|word| format!("'{}'", word.replace('\'', "''"))).collect();
        let words = words.join(" | ");
        // All words by the index, none by its list.
        let lists: &[i32] = &[];
        let matching = bare.client.query(&bare.by_words, &[&words, &MATCHING, &lists, &project]).await?;
        let nearest = bare.client.query(&bare.by_meaning, &[&vector, &NEAREST, &project]).await?;
        let ids = matching.iter().take(NEAREST as usize).chain(&nearest);
        let ids: Vec<i64> = ids.map(|row| row.get("id")).collect();
        let rows = bare.client.query(&bare.found, &[&ids, &vector, &project]).await?;
        ensure!(!rows.is_empty(), "the bare statements found nothing");
        Ok(())
    }

    async fn add(&self) -> Result<()> {
        self.add_text(&texts::entry(), Outcome::Added).await
    }

    async fn add_text(&self, text: &str, expected: Outcome) -> Result<()> {
        let added = self.store.add(NewEntry::new(text)).await?;
        ensure!(added.outcome == expected, "adding gave {:?}", added.outcome);
        Ok(())
    }

    async fn add_bare(&self) -> Result<()> {
        let content = texts::entry();
        let embedding = self.embed.embed(&content).await?;
        let (nothing, tags): (Option<&str>, &[&str]) = (None, &[]);
        let inserted = self
            .bare
            .client
            .execute(
                &self.bare.insert,
                &[
                    &Project::default().as_str(),
                    &texts::digits(),
                    &content,
                    &Vector::from(embedding.vector.to_vec()),
                    &embedding.model.name,
                    &nothing,
                    &nothing,
                    &tags,
                    &serde_json::json!({}),
                    &nothing,
                    &nothing,
                    &16i32,
                    &None::<std::time::SystemTime>,
                    &nothing,
                ],
            )
            .await?;
        ensure!(inserted == 1, "the bare statement inserted {inserted} rows");
        Ok(())
    }

    async fn vector(&self, text: &str) -> Result<Vector> {
        Ok(Vector::from(self.embed.embed(text).await?.vector.to_vec()))
    }
}

impl Bare {
    /// Has a store prepare its statements on its only connection, and takes them from there, word for word.
    async fn prepare(config: db::Config, embed: &embed::Client) -> Result<Self> {
        let pool = Database::connect(db::Config { pool_min: 1, pool_max: 1, ..config.clone() }).await?;
        let store = Store::open(pool.clone(), embed.clone(), Options::default()).await?;
        store.add(NewEntry::new(texts::entry())).await?;
        store.query(&question()).await?;
        let prepared = pool.client().await?;

        let (client, connection) = tokio_postgres::connect(config.url.expose(), NoTls).await?;
        tokio::spawn(connection);
        // What a search needs to be the same search.
        for (name, value) in session_settings() {
            client.batch_execute(&format!("SET {name} = {value}")).await?;
        }
        let mut statements = Vec::new();
        let heads = [
            "-- words_of_question",
            "-- knowledge_by_words",
            "-- knowledge_by_meaning",
            "-- knowledge_found",
            "-- insert_knowledge",
        ];
        for head in heads {
            let row = prepared
                .query_one(
                    "SELECT statement FROM pg_prepared_statements WHERE starts_with(statement, $1)",
                    &[&head],
                )
                .await
                .with_context(|| format!("find the store's statement {head:?}"))?;
            statements.push(client.prepare(row.get("statement")).await?);
        }
        let [words, by_words, by_meaning, found, insert] =
            statements.try_into().ok().context("five statements")?;
        Ok(Self { client, words, by_words, by_meaning, found, insert })
    }
}

//! The knowledge: embedded by a real model, stored, found, remembered, and forgotten when somebody else changes it.

use std::time::{Duration, Instant};

use agent_turbo_db::{Database, RowExt};
use agent_turbo_knowledge::{Answer, Filter, NewEntry, Options, Outcome, Query, Store};
use anyhow::{Context, Result, ensure};

use super::World;
use super::report::Report;

const TEXTS: [&str; 3] = [
    "PostgreSQL is a powerful database",
    "Python is a programming language",
    "MLX provides GPU acceleration",
];
const UNCACHED_LIMIT: Duration = Duration::from_millis(500);
const CACHED_LIMIT: Duration = Duration::from_millis(100);
/// For what another process or task brings about.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn verify(world: &World, report: &mut Report) -> Result<()> {
    let database = world.deployment.database().await?;
    let before = models(&database).await?;
    let outcome = checks(world, report, &database).await;
    let cleaned = clean_up(world, &database, &before).await.context("clean-up");
    outcome.and(cleaned)
}

async fn checks(world: &World, report: &mut Report, database: &Database) -> Result<()> {
    let embedding = world.deployment.embedding().await?;
    let dimensions = report
        .check("embedding service healthy", async {
            let health = embedding.health().await?;
            ensure!(health.is_healthy(), "it says {health:?}");
            let text = format!(
                "{} ({} dimensions), metal {}, at {}",
                health.embedding_model,
                health.embedding_dim,
                health.metal_available,
                embedding.url()
            );
            Ok((text, health.embedding_dim))
        })
        .await?;
    let store = world.deployment.store().await?;
    let entry = |text: &str| NewEntry { project: world.project.clone(), ..NewEntry::new(text) };
    let first = report
        .check("add", async {
            let added = store.add(entry(TEXTS[0])).await?;
            ensure!(added.outcome == Outcome::Added, "it is {:?}", added.outcome);
            Ok((format!("✅ Added knowledge: {}", added.content_hash.short()), added))
        })
        .await?;
    report
        .check("row has a vector", async {
            let row = database
                .client()
                .await?
                .query_one(
                    "SELECT vector_dims(embedding) AS dims, embedding_model FROM agent_knowledge
                     WHERE project = $1 AND content_hash = $2",
                    &[&world.project.as_str(), &first.content_hash.as_str()],
                )
                .await?;
            let (dims, model): (i32, String) = (row.column("dims")?, row.column("embedding_model")?);
            ensure!(usize::try_from(dims)? == dimensions, "it has {dims} dimensions");
            Ok((format!("{dims} dimensions of {model}"), ()))
        })
        .await?;
    report
        .check("three entries", async {
            let results = store.add_batch(TEXTS.map(entry).to_vec()).await?;
            let mut outcomes = Vec::new();
            for result in results {
                outcomes.push(result?.outcome);
            }
            ensure!(
                outcomes == [Outcome::Duplicate, Outcome::Added, Outcome::Added],
                "they are {outcomes:?}"
            );
            Ok(("1 duplicate, 2 added", ()))
        })
        .await?;
    queries(world, report, &store).await?;
    report.check("HNSW index used", index_used(world)).await?;
    report.check("another process' add is seen", other_process(world, &store)).await
}

fn question(world: &World) -> Query {
    Query { limit: 2, filter: Filter::project(world.project.clone()), ..Query::new("database") }
}

async fn queries(world: &World, report: &mut Report, store: &Store) -> Result<()> {
    let question = question(world);
    until("the cache is on", async || Ok(store.is_caching())).await?;
    let started = Instant::now();
    let answer = store.query(&question).await?;
    let uncached = started.elapsed();
    ensure!(!answer.cached, "the first query came from the cache");
    ensure!(answer.degraded.is_none(), "the query was answered by words alone: {:?}", answer.degraded);
    let found = describe(&answer);
    ensure!(
        answer.hits.len() == 2 && answer.hits[0].entry.content == TEXTS[0],
        "query(\"database\", 2) found {found}"
    );
    ensure!(
        answer.hits[0].similarity > answer.hits[1].similarity,
        "PostgreSQL is not the most similar: {found}"
    );
    report.note("query(\"database\", 2)", found, uncached);
    ensure!(
        uncached < UNCACHED_LIMIT,
        "an uncached query took {uncached:?}, {UNCACHED_LIMIT:?} is the limit"
    );
    report.note("uncached query < 500 ms", format!("{:.2} ms", uncached.as_secs_f64() * 1e3), uncached);
    report.criterion("a first query", "< 500 ms", &format!("{uncached:.1?}"));
    // The notifications of what was just added may still arrive, and make the answer be forgotten once more.
    until("the answer is cached", async || Ok(store.query(&question).await?.cached)).await?;
    let started = Instant::now();
    let answer = store.query(&question).await?;
    let cached = started.elapsed();
    ensure!(answer.cached, "a repeated query did not come from the cache");
    ensure!(cached < CACHED_LIMIT, "a cached query took {cached:?}, {CACHED_LIMIT:?} is the limit");
    report.note("cached query < 100 ms", format!("{:.4} ms", cached.as_secs_f64() * 1e3), cached);
    report.criterion("a repeated query", "< 100 ms, from the cache", &format!("{cached:.1?}"));
    Ok(())
}

fn describe(answer: &Answer) -> String {
    let hits = answer
        .hits
        .iter()
        .map(|hit| format!("{:?} {:.3}", hit.entry.content, hit.similarity.unwrap_or(f32::NAN)));
    hits.collect::<Vec<_>>().join(", ")
}

/// With a handful of rows a scan is cheaper than any index, so the planner is left no other way: what is shown is that
/// the statement, as it is really sent, can be served by the index of its model.
async fn index_used(world: &World) -> Result<(String, ())> {
    let mut config = world.config.clone();
    for method in ["enable_seqscan", "enable_bitmapscan", "enable_sort"] {
        config.session_settings.push((method, "off".to_owned()));
    }
    let database = Database::connect(config).await?;
    let options = Options { result_cache_bytes: 0, ..Options::default() };
    let store = Store::open(database, world.deployment.embedding().await?, options).await?;
    // Of all projects: the few entries of one are compared one by one where there are many others.
    let plan = store.explain(&Query { filter: Filter::default(), ..question(world) }).await?;
    let line = plan.lines().find(|line| line.contains("agent_knowledge_hnsw_"));
    let line = line.with_context(|| format!("it is not in the plan:\n{plan}"))?;
    Ok((line.trim().trim_start_matches("->").trim().to_owned(), ()))
}

/// The program adds an entry; the store here, whose answer is cached, must find it.
async fn other_process(world: &World, store: &Store) -> Result<(String, ())> {
    let question = question(world);
    until("the answer is cached", async || Ok(store.query(&question).await?.cached)).await?;
    let text = "A database stores rows in tables";
    let output = tokio::process::Command::new(&world.program)
        .args(["add", text, "--project", world.project.as_str()])
        // What it measures would stay behind.
        .env("AGENT_TURBO_METRICS", "false")
        .output()
        .await?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "`agent-turbo add` ended with {}: {stderr}", output.status);
    ensure!(stdout.starts_with("✅ Added knowledge: "), "`agent-turbo add` printed {stdout:?}");
    let started = Instant::now();
    until("the other process' entry is found", async || {
        Ok(store.query(&question).await?.hits.iter().any(|hit| hit.entry.content == text))
    })
    .await?;
    Ok((format!("found {:.1} ms after it had ended", started.elapsed().as_secs_f64() * 1e3), ()))
}

/// Waits for a condition that somebody else brings about; not for ever.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !condition().await? {
        ensure!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

async fn models(database: &Database) -> Result<Vec<String>> {
    let rows = database.client().await?.query("SELECT name FROM embedding_models ORDER BY name", &[]).await?;
    Ok(rows.iter().map(|row| row.column("name")).collect::<agent_turbo_db::Result<_>>()?)
}

/// Removes the project's entries, and a model that was not known before unless somebody else uses it by now.
async fn clean_up(world: &World, database: &Database, before: &[String]) -> Result<()> {
    let client = database.client().await?;
    client.execute("DELETE FROM agent_knowledge WHERE project = $1", &[&world.project.as_str()]).await?;
    for model in models(database).await?.iter().filter(|model| !before.contains(model)) {
        client.execute("SELECT forget_embedding_model($1)", &[model]).await?;
    }
    Ok(())
}

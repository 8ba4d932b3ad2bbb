//! Load first, index after, as one does with many rows.

use std::io::Write as _;
use std::time::{Duration, Instant};

use agent_turbo_db::tokio_postgres::binary_copy::BinaryCopyInWriter;
use agent_turbo_db::types::{Kind, Type};
use agent_turbo_db::{Database, RowExt};
use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use pgvector::Vector;
use sha2::{Digest, Sha256};

use crate::corpus::Corpus;

/// Connections that load at the same time: the triggers that take texts apart are the work.
const LOADERS: u64 = 2;
const INDEX_SETTINGS: &str = "SET maintenance_work_mem = '4GB'; SET max_parallel_maintenance_workers = 2;";

pub(crate) async fn load(database: &Database, size: u64, corpus: &Corpus) -> Result<()> {
    let client = database.client().await?;
    let (model, dimensions) = (corpus.model().to_owned(), i32::try_from(corpus.dimensions()?)?);
    client.execute("SELECT register_embedding_model($1, $2)", &[&model, &dimensions]).await?;
    let name: String =
        client.query_one("SELECT embedding_index_name($1) AS name", &[&model]).await?.column("name")?;
    client
        .batch_execute(&format!(
            "DROP INDEX {name}; DROP INDEX agent_knowledge_lexemes;
             ALTER TABLE agent_knowledge DISABLE TRIGGER agent_knowledge_uncounted;
             ALTER TABLE agent_knowledge DISABLE TRIGGER agent_knowledge_changed"
        ))
        .await?;
    let started = Instant::now();
    try_join_all((0..LOADERS).map(|loader| copy(database, loader, size, corpus))).await?;
    println!("- load: {:.1} s", started.elapsed().as_secs_f64());
    let steps = [
        ("words counted", "SELECT recount_knowledge_words()".to_owned()),
        ("full-text index", "CREATE INDEX agent_knowledge_lexemes ON agent_knowledge USING gin (lexemes)".to_owned()),
        (
            "vector index",
            format!(
                "CREATE INDEX {name} ON agent_knowledge USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops)
                     WHERE embedding_model = '{model}'"
            ),
        ),
        (
            "vacuum",
            "ALTER TABLE agent_knowledge ENABLE TRIGGER USER; VACUUM (ANALYZE) agent_knowledge".to_owned(),
        ),
    ];
    for (what, sql) in steps {
        let started = Instant::now();
        let watched = watch(database, what);
        let client = database.client().await?;
        client.batch_execute(INDEX_SETTINGS).await?;
        let mut outcome = Ok(());
        let work = async {
            for statement in sql.split("; ") {
                outcome = client.batch_execute(statement).await;
            }
        };
        tokio::select! {
            () = work => {}
            error = watched => return error,
        }
        outcome.with_context(|| what)?;
        println!("- {what}: {:.1} s", started.elapsed().as_secs_f64());
    }
    Ok(())
}

pub(crate) async fn is_full(database: &Database, size: u64) -> Result<bool> {
    let client = database.client().await?;
    let row = client
        .query_one("SELECT coalesce(sum(entries), 0)::bigint AS entries FROM knowledge_sizes", &[])
        .await?;
    Ok(row.column::<i64>("entries")? == i64::try_from(size)?)
}

/// Reads everything into PostgreSQL's cache, as far as it fits, like a server that has been in use for a while: one page that is
/// not there yet takes 12 µs on a virtual machine, even from the system's cache.
pub(crate) async fn warm(database: &Database) -> Result<()> {
    let client = database.client().await?;
    client.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm").await?;
    client
        .execute(
            "SELECT sum(pg_prewarm(oid)) FROM pg_class
             WHERE relkind IN ('r', 'i', 't') AND relnamespace IN ('public'::regnamespace, 'pg_toast'::regnamespace)",
            &[],
        )
        .await?;
    Ok(())
}

/// Whether hardly any entries are on no list of frequent words.
pub(crate) async fn is_packed(database: &Database) -> Result<bool> {
    let client = database.client().await?;
    let row = client
        .query_one("SELECT coalesce(sum(amount), 0) < 1000 AS is_packed FROM knowledge_unposted", &[])
        .await?;
    Ok(row.column("is_packed")?)
}

async fn copy(database: &Database, loader: u64, size: u64, corpus: &Corpus) -> Result<()> {
    let client = database.client().await?;
    let row = client
        .query_one(
            "SELECT oid, typnamespace::regnamespace::text AS schema FROM pg_type WHERE typname = 'vector'",
            &[],
        )
        .await?;
    let vector = Type::new("vector".into(), row.column("oid")?, Kind::Simple, row.column("schema")?);
    let sink = client
        .copy_in(
            "COPY agent_knowledge (project, content_hash, content, embedding, embedding_model, tokens)
             FROM STDIN (FORMAT binary)",
        )
        .await?;
    let types = [Type::TEXT, Type::TEXT, Type::TEXT, vector, Type::TEXT, Type::INT4];
    let mut writer = std::pin::pin!(BinaryCopyInWriter::new(sink, &types));
    for number in (loader..size).step_by(usize::try_from(LOADERS)?) {
        let made = corpus.entry(number);
        let content = made.content.trim();
        let hash: String =
            Sha256::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let tokens = i32::try_from(content.len().div_ceil(4))?;
        let vector = Vector::from(made.vector);
        writer.as_mut().write(&[&made.project, &hash, &content, &vector, &corpus.model(), &tokens]).await?;
        if loader == 0 && number.is_multiple_of(10_000) {
            eprint!("\r  loaded {number} of {size}");
            std::io::stderr().flush()?;
        }
    }
    writer.finish().await?;
    Ok(())
}

/// Tells on stderr how far an index is; ends only with an error.
async fn watch(database: &Database, what: &str) -> Result<()> {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let client = database.client().await?;
        let rows = client
            .query(
                "SELECT phase, tuples_done, tuples_total, blocks_done, blocks_total FROM pg_stat_progress_create_index",
                &[],
            )
            .await?;
        for row in &rows {
            let (phase, done, total): (String, i64, i64) =
                (row.column("phase")?, row.column("tuples_done")?, row.column("tuples_total")?);
            let (blocks, of): (i64, i64) = (row.column("blocks_done")?, row.column("blocks_total")?);
            eprint!("\r  {what}: {phase}, {done} of {total} entries, {blocks} of {of} blocks   ");
            std::io::stderr().flush()?;
        }
    }
}

pub(crate) async fn print_sizes(database: &Database, pid: u32) -> Result<()> {
    let client = database.client().await?;
    let rows = client
        .query(
            "SELECT c.relname::text AS name, pg_total_relation_size(c.oid) AS bytes FROM pg_class AS c
             WHERE c.relname IN ('agent_knowledge', 'knowledge_words', 'knowledge_postings')
             UNION ALL SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index
             WHERE indrelid = 'agent_knowledge'::regclass ORDER BY 2 DESC",
            &[],
        )
        .await?;
    println!("\nOn disk, in MiB:\n");
    for row in &rows {
        let (name, bytes): (String, i64) = (row.column("name")?, row.column("bytes")?);
        println!("- {name}: {:.0}", bytes as f64 / f64::from(1 << 20));
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let shared = client.query_one("SHOW shared_buffers", &[]).await?;
    let shared: String = shared.column("shared_buffers")?;
    let rss = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS: unknown");
    println!("- memory: shared_buffers {shared}, main process {}", rss.trim_start_matches("VmRSS:").trim());
    Ok(())
}

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, params};

/// Rows of each store.
pub(super) const ROWS: usize = 24;
/// 2026-01-01 00:00:00 UTC, the time of the first row.
const FIRST: i64 = 1_767_225_600;

/// A store of one of the shapes that exist.
pub(super) struct Source {
    pub(super) shape: &'static str,
    pub(super) file: PathBuf,
}

type Maker = fn(&Connection, &[String]) -> Result<()>;

/// Real text: the paragraphs of this project's own documents, enough for every store.
pub(super) fn paragraphs() -> Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace's folder")?;
    let mut paragraphs = Vec::new();
    let mut files = vec![root.join("README.md")];
    for folder in ["docs", "docs/adr"] {
        for file in std::fs::read_dir(root.join(folder))? {
            files.push(file?.path());
        }
    }
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let long = text.split("\n\n").map(str::trim).filter(|paragraph| paragraph.len() > 80);
        paragraphs.extend(long.map(str::to_owned));
    }
    paragraphs.sort();
    paragraphs.dedup();
    ensure!(paragraphs.len() >= 4 * ROWS, "the documents have {} paragraphs", paragraphs.len());
    Ok(paragraphs)
}

/// One store of each shape, of texts of its own.
pub(super) fn build(dir: &Path, paragraphs: &[String]) -> Result<Vec<Source>> {
    let makers: [(&str, Maker); 4] =
        [("memory", memory), ("patterns", patterns), ("entries", entries), ("hashed", hashed)];
    makers
        .into_iter()
        .zip(paragraphs.chunks(ROWS))
        .map(|((shape, make), texts)| {
            let file = dir.join(format!("{shape}.db"));
            make(&Connection::open(&file)?, texts).with_context(|| shape)?;
            Ok(Source { shape, file })
        })
        .collect()
}

/// With embeddings that are pickles of placeholders, as the predecessor wrote them.
fn memory(store: &Connection, texts: &[String]) -> Result<()> {
    store.execute_batch(
        "CREATE TABLE knowledge (id TEXT PRIMARY KEY, timestamp REAL, content TEXT, embedding BLOB, token_count INTEGER,
                                 category TEXT, ref_ids TEXT, usage_count INTEGER, last_accessed REAL)",
    )?;
    for (n, text) in texts.iter().enumerate() {
        store.execute(
            "INSERT INTO knowledge VALUES (?1, ?2, ?3, x'80049502', ?4, 'docs', '[\"a\"]', ?5, ?2)",
            params![format!("k{n}"), time(n) as f64, text, text.len() as i64 / 4, n as i64],
        )?;
    }
    Ok(())
}

fn patterns(store: &Connection, texts: &[String]) -> Result<()> {
    store.execute_batch(
        "CREATE TABLE patterns (pattern_hash TEXT PRIMARY KEY, pattern TEXT, solution TEXT, frequency INTEGER,
                                last_used REAL)",
    )?;
    for (n, text) in texts.iter().enumerate() {
        let (pattern, solution) = text.split_once(' ').unwrap_or((text, "-"));
        store.execute(
            "INSERT INTO patterns VALUES (?1, ?2, ?3, ?4, ?5)",
            params![format!("p{n}"), pattern, solution, n as i64, time(n) as f64],
        )?;
    }
    Ok(())
}

fn entries(store: &Connection, texts: &[String]) -> Result<()> {
    store.execute_batch(
        "CREATE TABLE entries (id INTEGER PRIMARY KEY, ts TEXT, text TEXT, tags TEXT, metadata TEXT);
         CREATE VIRTUAL TABLE entries_fts USING fts5(text, content='entries', content_rowid='id')",
    )?;
    for (n, text) in texts.iter().enumerate() {
        store.execute(
            "INSERT INTO entries (ts, text, tags, metadata)
                 VALUES (strftime('%Y-%m-%dT%H:%M:%SZ', ?1, 'unixepoch'), ?2, '[\"docs\"]', '{\"by\": \"hand\"}')",
            params![time(n), text],
        )?;
    }
    store.execute_batch("INSERT INTO entries_fts (entries_fts) VALUES ('rebuild')")?;
    Ok(())
}

fn hashed(store: &Connection, texts: &[String]) -> Result<()> {
    store.execute_batch(
        "CREATE TABLE knowledge (content_hash TEXT PRIMARY KEY, content TEXT, tokens INTEGER, created_at TEXT,
                                 source_session TEXT, knowledge_type TEXT, access_count INTEGER)",
    )?;
    for (n, text) in texts.iter().enumerate() {
        store.execute(
            "INSERT INTO knowledge VALUES (?1, ?2, ?3, datetime(?4, 'unixepoch'), 's1', 'fact', ?5)",
            params![format!("h{n}"), text, text.len() as i64 / 4, time(n), n as i64],
        )?;
    }
    Ok(())
}

/// A row an hour.
fn time(row: usize) -> i64 {
    FIRST + 3600 * row as i64
}

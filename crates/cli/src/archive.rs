//! What an archive of ours holds.

use std::path::Path;

use agent_turbo_db::{self as db, CopyBlock};
use agent_turbo_orchestrator::DERIVED_TABLES;
use agent_turbo_stack::Archiver;
use anyhow::Result;
use serde_json::{Map, Value};

/// The rows of each table, in the order in which they are told.
pub(crate) type Rows = Vec<(String, u64)>;

/// The version of the schema that an archive was made of. Anything but an archive of ours is refused.
pub(crate) async fn version(archiver: &Archiver, archive: &Path) -> Result<u32> {
    let mut history: Vec<String> = Vec::new();
    let mut table = archiver.read(archive, db::HISTORY_TABLE)?;
    let script = table.script();
    let read = async {
        let block = match script {
            Some(script) => CopyBlock::find(script).await?,
            None => None,
        };
        if let Some(mut block) = block {
            while let Some(row) = block.row().await? {
                history.push(String::from_utf8_lossy(row).into_owned());
            }
        }
        Ok(())
    };
    // Where the reading broke off, the program that read knows why.
    let read: db::Result<()> = read.await;
    table.finish().await?;
    read?;
    Ok(db::version_of(&history)?)
}

/// Reads an archive from its beginning to its end, and counts.
pub(crate) async fn count(archiver: &Archiver, archive: &Path) -> Result<Rows> {
    let mut rows = Vec::new();
    for name in carried(&db::tables_of(version(archiver, archive).await?)) {
        let counted = each_block(archiver, archive, name, async |mut block| {
            let mut count = 0;
            while block.row().await?.is_some() {
                count += 1;
            }
            Ok(count)
        });
        rows.push((name.to_owned(), counted.await?));
    }
    Ok(rows)
}

/// Hands the rows of a table on; a table without any block is not in the archive.
pub(crate) async fn each_block(
    archiver: &Archiver,
    archive: &Path,
    name: &str,
    handle: impl AsyncFnOnce(CopyBlock<tokio::io::BufReader<tokio::process::ChildStdout>>) -> db::Result<u64>,
) -> Result<u64> {
    let mut table = archiver.read(archive, name)?;
    let block = match table.script() {
        Some(script) => CopyBlock::find(script).await,
        None => Ok(None),
    };
    let handled = match block {
        Ok(Some(block)) => handle(block).await,
        Ok(None) => Err(db::Error::NotABackup(format!("it has no rows of {name}"))),
        Err(error) => Err(error),
    };
    match handled {
        // The reader ends early when its reader did; what it says of that is not the reason.
        Err(error) if !matches!(error, db::Error::NotABackup(_)) => Err(error.into()),
        handled => {
            table.finish().await?;
            Ok(handled?)
        }
    }
}

/// Those tables whose rows are carried to another server.
pub(crate) fn carried<'a>(tables: &[&'a str]) -> Vec<&'a str> {
    tables.iter().copied().filter(|table| !DERIVED_TABLES.contains(table)).collect()
}

pub(crate) fn total(rows: &Rows) -> u64 {
    rows.iter().map(|(_, count)| count).sum()
}

pub(crate) fn as_json(rows: &Rows) -> Map<String, Value> {
    rows.iter().map(|(name, count)| (name.clone(), (*count).into())).collect()
}

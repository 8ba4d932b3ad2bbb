use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use agent_turbo_db as db;
use agent_turbo_db::SchemaState;
use agent_turbo_knowledge as knowledge;
use agent_turbo_orchestrator::{self as orchestrator, INCIDENTAL_TABLES};
use agent_turbo_stack::Archiver;
use anyhow::{Context, Result};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::archive;
use crate::commands::backup::tell;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::input::bad;
use crate::output::{Output, count};
use crate::progress::Spinner;

/// Bring back what `backup` wrote into a file.
///
/// All of it or nothing: it happens in one transaction, which other programs see at once when it is done. The schema is
/// made by this program and only rows are taken from the file, so an older backup is brought up to date, and a backup
/// of one schema can be restored into another. Tasks that somebody held when the backup was made are held until their
/// leases run out.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  agent-turbo restore agent-turbo-2026-03-01-120000.dump
  agent-turbo restore monday.dump --replace
  agent-turbo restore monday.dump --check
  DATABASE_URL=postgresql://… AGENT_TURBO_SCHEMA=copy agent-turbo restore monday.dump")]
pub(crate) struct Restore {
    /// The file; - for stdin.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Let everything go that is there now.
    #[arg(long)]
    replace: bool,
    /// Only read the file from its beginning to its end, and tell what is in it; no database is needed.
    #[arg(long, conflicts_with = "replace")]
    check: bool,
}

impl Restore {
    pub(crate) async fn run(self, deployment: &Deployment, mut out: Output) -> Result<Exit> {
        let started = Instant::now();
        let name = self.file.display().to_string();
        let kept =
            if self.file.as_os_str() == "-" { Some(from_stdin().context("keep stdin")?) } else { None };
        let file = kept.as_ref().map_or(self.file.as_path(), NamedTempFile::path);
        check_source(file, &name)?;
        let spinner = Spinner::new();
        let archiver = Archiver::newest(&deployment.home, &|step| spinner.step(step)).await;
        spinner.finish();
        let archiver = archiver?;
        let version = archive::version(&archiver, file).await?;
        let spinner = Spinner::new();
        let (rows, done) = if self.check {
            spinner.show("reading the backup");
            (archive::count(&archiver, file).await, "✅ The backup is whole:")
        } else {
            (restore(deployment, &archiver, file, version, self.replace, &spinner).await, "✅ Restored")
        };
        spinner.finish();
        let rows = rows?;
        let took = started.elapsed();
        out.line(format_args!(
            "{done} {} of a schema of version {version} ({:.1} s)",
            count(archive::total(&rows), "row"),
            took.as_secs_f64()
        ));
        tell(&mut out, &rows);
        out.print(&json!({
            "file": name,
            "version": version,
            "restored": !self.check,
            "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "rows": archive::total(&rows),
            "tables": archive::as_json(&rows),
        }))?;
        Ok(Exit::Done)
    }
}

async fn restore(
    deployment: &Deployment,
    archiver: &Archiver,
    file: &Path,
    version: u32,
    replace: bool,
    spinner: &Spinner,
) -> Result<archive::Rows> {
    let config = deployment.database_config().await?;
    spinner.show("making the schema");
    let mut restore = db::Restore::begin(&config, version, replace, INCIDENTAL_TABLES).await?;
    let tables: Vec<&str> = restore.tables().iter().map(String::as_str).collect();
    let mut rows = Vec::new();
    for name in archive::carried(&tables) {
        spinner.show(&format!("restoring {name}"));
        let filled =
            archive::each_block(archiver, file, name, async |mut block| restore.fill(name, &mut block).await);
        rows.push((name.to_owned(), filled.await?));
    }
    restore.upgrade(version).await?;
    spinner.show("building indexes");
    knowledge::settle_restored(restore.client()).await?;
    orchestrator::settle_restored(restore.client()).await?;
    restore.commit().await?;
    let SchemaState::Current { .. } = db::migrate(&config).await? else {
        anyhow::bail!("find the schema after restoring it");
    };
    Ok(rows)
}

/// An archive is read several times, and not from its beginning to its end.
fn from_stdin() -> io::Result<NamedTempFile> {
    let mut kept = tempfile::Builder::new().prefix("agent-turbo-restore-").tempfile()?;
    io::copy(&mut io::stdin().lock(), &mut kept)?;
    Ok(kept)
}

fn check_source(file: &Path, name: &str) -> Result<()> {
    let why = match std::fs::metadata(file) {
        Ok(there) if there.is_file() => return Ok(()),
        Ok(_) => "it is not a file".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(bad("the backup", format!("{name:?} cannot be read: {why}")))
}

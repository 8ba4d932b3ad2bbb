use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use agent_turbo_db::{self as db, Inventory, LibpqEnvironment};
use agent_turbo_orchestrator::DERIVED_TABLES;
use agent_turbo_stack::{Archiver, DumpOptions};
use anyhow::{Context, Result};
use jiff::Zoned;
use serde_json::json;

use crate::archive;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::input::bad;
use crate::output::{DIM, Output, bytes, columns, count, headline};
use crate::progress::Spinner;

/// Write everything into a file, from which `restore` brings it back.
///
/// The file is in pg_dump's custom format, shows the database as it was at one moment, and can be read by its owner
/// only. Agents go on working meanwhile. Afterwards the file is read from its beginning to its end, and its rows are
/// counted.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  agent-turbo backup
  agent-turbo backup /mnt/backups/monday.dump --force
  agent-turbo backup - | ssh elsewhere 'cat > agent-turbo.dump'")]
pub(crate) struct Backup {
    /// The file; - for stdout, which is not checked afterwards [default: agent-turbo-DATE-TIME.dump here].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
}

impl Backup {
    pub(crate) async fn run(self, deployment: &Deployment, out: Output) -> Result<Exit> {
        let file = self.file.unwrap_or_else(default_name);
        let to_stdout = file.as_os_str() == "-";
        if to_stdout && out.is_json() {
            return Err(bad("the file", "stdout is for the backup or for --json, not for both".to_owned()));
        }
        if !to_stdout {
            check_target(&file, self.force)?;
        }
        let started = Instant::now();
        let source = Source::find(deployment).await?;
        if to_stdout {
            source.archiver.dump(&source.options, &source.environment.variables, None).await?;
            return Ok(Exit::Done);
        }
        source.write(&file, self.force, started, out).await
    }
}

/// What is backed up, and by which programs.
struct Source {
    inventory: Inventory,
    archiver: Archiver,
    environment: LibpqEnvironment,
    options: DumpOptions,
}

impl Source {
    async fn find(deployment: &Deployment) -> Result<Self> {
        let config = deployment.database_config().await?;
        let inventory = Inventory::take(&config).await?;
        let environment = LibpqEnvironment::new(&config)?;
        let spinner = Spinner::new();
        let archiver = Archiver::find(&deployment.home, inventory.server, environment.wants_tls, &|step| {
            spinner.step(step);
        })
        .await;
        spinner.finish();
        let options = DumpOptions {
            schema: inventory.schema.clone(),
            without: inventory.foreign.clone(),
            without_rows: DERIVED_TABLES.iter().map(|&table| table.to_owned()).collect(),
        };
        Ok(Self { inventory, archiver: archiver?, environment, options })
    }

    async fn write(&self, file: &Path, force: bool, started: Instant, mut out: Output) -> Result<Exit> {
        let name = file.display().to_string();
        let write = || format!("write {name}");
        let dir = match file.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        // Beside its place, so that putting it there is one step; whoever fails takes it away.
        let unfinished = tempfile::Builder::new()
            .prefix(".agent-turbo-backup-")
            .tempfile_in(dir)
            .map_err(|error| bad("the file", format!("{name:?} cannot be made: {error}")))?;
        let spinner = Spinner::new();
        spinner.show("backing up");
        self.archiver.dump(&self.options, &self.environment.variables, Some(unfinished.path())).await?;
        unfinished.as_file().sync_all().with_context(write)?;
        spinner.show("checking the backup");
        let rows = archive::count(&self.archiver, unfinished.path()).await?;
        spinner.finish();
        let size = unfinished.as_file().metadata().with_context(write)?.len();
        let put = if force { unfinished.persist(file) } else { unfinished.persist_noclobber(file) };
        put.map_err(|error| error.error).with_context(write)?;
        // The name, too, is to survive a crash.
        File::open(dir).and_then(|dir| dir.sync_all()).with_context(write)?;

        let took = started.elapsed();
        out.line(format_args!(
            "✅ Backed up {} to {} ({}, {:.1} s)",
            count(archive::total(&rows), "row"),
            headline(&name, 200),
            bytes(size),
            took.as_secs_f64()
        ));
        tell(&mut out, &rows);
        out.print(&json!({
            "file": name,
            "bytes": size,
            "schema": self.inventory.schema,
            "version": self.inventory.version,
            "pg_dump": self.archiver.version(),
            "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "rows": archive::total(&rows),
            "tables": archive::as_json(&rows),
        }))?;
        Ok(Exit::Done)
    }
}

/// How many rows each table has.
pub(super) fn tell(out: &mut Output, rows: &archive::Rows) {
    let filled = rows.iter().filter(|(name, count)| *count > 0 && name != db::HISTORY_TABLE);
    let cells: Vec<_> = filled.map(|(name, count)| [format!("  {name}"), count.to_string()]).collect();
    for line in columns(&cells, [DIM, DIM]) {
        out.line(line);
    }
}

fn default_name() -> PathBuf {
    Zoned::now().strftime("agent-turbo-%Y-%m-%d-%H%M%S.dump").to_string().into()
}

fn check_target(file: &Path, force: bool) -> Result<()> {
    let Ok(there) = std::fs::symlink_metadata(file) else { return Ok(()) };
    let why = match () {
        () if !there.is_file() => "is there and not a file that could be replaced",
        () if !force => "is there already; another name or --force goes on",
        () => return Ok(()),
    };
    Err(bad("the file", format!("{:?} {why}", file.display().to_string())))
}

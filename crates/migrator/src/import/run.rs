use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use agent_turbo_knowledge::Store;
use tokio::sync::mpsc;

use super::lookup::{Lookup, OnTheWay};
use super::rejects::Rejects;
use super::write::Writer;
use super::{dry_run, read};
use crate::row::Converter;
use crate::shape::{Selected, select};
use crate::source::Source;
use crate::verify::Expected;
use crate::{Counts, Error, Options, Progress, Report, Result, TableReport, verify};

/// Imports a file's rows into a store, and holds both sides against each other.
///
/// Whatever an earlier run wrote is recognised, so a run that was killed or stopped is gone on with by calling this again.
/// Rows that cannot be imported are counted, and are no failure. Neither is a verification that found something:
/// [`Report::is_verified`] tells.
#[tracing::instrument(name = "migrator.import", skip_all, fields(project = %options.project))]
pub async fn import(store: &Store, options: &Options, progress: &dyn Progress) -> Result<Report> {
    if options.dry_run {
        return locked(store, options, progress).await;
    }
    // One that is dropped, or whose process is killed, is released by the server.
    let lock = store.try_lock("import").await?.ok_or(Error::AlreadyRunning)?;
    let report = locked(store, options, progress).await;
    if let Err(error) = lock.release().await {
        tracing::debug!(%error, "migrator.release");
    }
    report
}

/// The import of whoever has the lock, or writes nothing.
async fn locked(store: &Store, options: &Options, progress: &dyn Progress) -> Result<Report> {
    let started = Instant::now();
    let Opened { source, tables, mut report, converter, rows } = open(store, options).await?;
    progress.step(&format!("{rows} rows in {} of {}", tables_in_words(&tables), report.source));
    if options.dry_run {
        dry_run::run(source, tables, &converter, rows, progress, &mut report).await?;
    } else {
        let (source, refused) =
            run(source, &tables, &converter, options, rows, progress, &mut report).await?;
        if !report.stopped {
            progress.step("Verifying");
            let expected = Expected { counts: Some(report.counts), refused };
            let verified = verify::compare(source, &tables, &converter, &expected, rows, progress).await?;
            report.verification = Some(verified);
        }
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// A source, and what is to be done with it.
pub(crate) struct Opened {
    pub(crate) source: Source,
    pub(crate) tables: Arc<[Selected]>,
    pub(crate) report: Report,
    pub(crate) converter: Converter,
    pub(crate) rows: u64,
}

/// Opens the source and finds out what its tables are.
pub(crate) async fn open(store: &Store, options: &Options) -> Result<Opened> {
    // White space around a text does not count, so a little more than the limit may come.
    let max_value_bytes = store.options().max_content_bytes.saturating_add(64 << 10);
    let asked = options.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let source = Source::open(&asked.file, max_value_bytes)?;
        let (tables, skipped) = select(&source, &asked)?;
        let mut rows = 0;
        for table in &tables {
            rows += source.count(&table.info)?;
        }
        Ok::<_, Error>((source, tables, skipped, rows))
    });
    let (source, tables, skipped, rows) = opened.await.map_err(Error::Panicked)??;
    let source_name = options.source_name.clone().unwrap_or_else(|| source.file.display().to_string());
    let report = Report {
        source: source_name.clone(),
        reading: source.reading,
        project: options.project.clone(),
        dry_run: options.dry_run,
        stopped: false,
        counts: Counts::default(),
        tables: tables.iter().map(TableReport::of).collect(),
        skipped,
        redacted: BTreeMap::new(),
        truncated: 0,
        rejects: None,
        samples: Vec::new(),
        verification: None,
        seconds: 0.0,
    };
    let converter = Converter {
        store: store.clone(),
        project: options.project.clone(),
        source_name,
        time_zone: options.time_zone.clone(),
    };
    Ok(Opened { source, tables: tables.into(), report, converter, rows })
}

/// Returns the source again, and the texts that the service refused.
async fn run(
    source: Source,
    tables: &Arc<[Selected]>,
    converter: &Converter,
    options: &Options,
    rows: u64,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<(Source, HashSet<agent_turbo_knowledge::ContentHash>)> {
    let mut windows = read(source, Arc::clone(tables), converter.clone());
    let (sender, mut steps) = mpsc::channel(1);
    let on_the_way = OnTheWay::default();
    let lookup = Lookup {
        store: converter.store.clone(),
        project: converter.project.clone(),
        source_name: converter.source_name.clone(),
        tables: Arc::clone(tables),
        on_the_way: on_the_way.clone(),
    };
    // The windows come back when all are looked up.
    let (_, nothing) = mpsc::channel(1);
    let items = std::mem::replace(&mut windows.items, nothing);
    let sorting = tokio::spawn(lookup.run(items, sender));
    let mut writer = Writer {
        converter,
        tables,
        on_the_way,
        rejects: Rejects::new(options.rejects.clone()),
        report,
        refused: HashSet::new(),
    };
    let written = async {
        while let Some(step) = steps.recv().await {
            writer.take(step?).await?;
            let counts = writer.report.counts;
            progress.rows(counts.done(), rows, &counts);
            if progress.should_stop() {
                writer.report.stopped = true;
                break;
            }
        }
        Ok::<_, Error>(())
    }
    .await;
    // Whoever still works for us finds nobody to hand it to, and ends.
    windows.stop.store(true, Ordering::Relaxed);
    drop(steps);
    windows.items = sorting.await.map_err(Error::Panicked)?;
    let finished = windows.finish().await;
    written?;
    writer.report.rejects = writer.rejects.flush()?;
    Ok((finished?, writer.refused))
}

impl TableReport {
    fn of(table: &Selected) -> Self {
        Self {
            table: table.info.name.clone(),
            shape: table.shape.as_str(),
            mapping: table.mapping.clone(),
            counts: Counts::default(),
        }
    }
}

fn tables_in_words(tables: &[Selected]) -> String {
    let names: Vec<&str> = tables.iter().map(|table| table.info.name.as_str()).collect();
    names.join(", ")
}

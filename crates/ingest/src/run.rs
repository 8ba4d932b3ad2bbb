use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use agent_turbo_documents::{self as documents, Globs, Walk};
use agent_turbo_knowledge::{Store, StoredDocument};
use tokio::sync::mpsc;

use crate::lookup::{Lookup, OnTheWay};
use crate::read::{self, Reading};
use crate::write::Writer;
use crate::{Error, Options, Progress, Report, Result};

/// Brings documents into the store: new and changed ones are split and their new pieces embedded, and those that are gone
/// are removed with what nobody else holds.
///
/// Documents are told by their whole paths, and are as they were when the file's hash is the same. A folder stands for
/// everything in it, so what an earlier run found there and this one does not is gone; what [`Options::include`] and
/// [`Options::exclude`] leave out is left alone. Files that cannot be taken are counted, and are no failure.
///
/// # Errors
/// When a path is not there and no document is known by it, when somebody else ingests into the project, and when
/// database or embedding service cannot be used. What was stored until then stays.
#[tracing::instrument(name = "ingest.ingest", skip_all, fields(project = %options.project))]
pub async fn ingest(store: &Store, options: &Options, progress: &dyn Progress) -> Result<Report> {
    ingest_only(store, options, None, progress).await
}

/// The same for those files only that are in `only`, or below it.
pub(crate) async fn ingest_only(
    store: &Store,
    options: &Options,
    only: Option<&HashSet<PathBuf>>,
    progress: &dyn Progress,
) -> Result<Report> {
    if options.dry_run {
        return locked(store, options, only, progress).await;
    }
    // One that is dropped, or whose process is killed, is released by the server.
    let lock = store.try_lock(&format!("ingest {}", options.project)).await?;
    let lock = lock.ok_or_else(|| Error::AlreadyRunning(options.project.clone()))?;
    let report = locked(store, options, only, progress).await;
    if let Err(error) = lock.release().await {
        tracing::debug!(%error, "ingest.release");
    }
    report
}

/// The ingest of whoever has the lock, or writes nothing.
async fn locked(
    store: &Store,
    options: &Options,
    only: Option<&HashSet<PathBuf>>,
    progress: &dyn Progress,
) -> Result<Report> {
    let started = Instant::now();
    let mut report = Report::new(options.project.to_string(), options.dry_run);
    let globs = Globs::new(&options.include, &options.exclude)?;
    let (paths, missing) = split_missing(&options.paths);
    let asked = globs.clone();
    let walk = tokio::task::spawn_blocking(move || documents::walk(&paths, &asked));
    let mut walk = walk.await.map_err(Error::Panicked)??;
    for (given, whole) in missing {
        let source = whole.to_string_lossy();
        if store.documents_below(&options.project, &[&source]).await?.is_empty() {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(documents::Error::Path { path: given, source }.into());
        }
        walk.roots.push(whole);
    }
    report.roots.clone_from(&walk.roots);
    let roots: Vec<_> = walk.roots.iter().map(|root| root.to_string_lossy()).collect();
    let roots: Vec<&str> = roots.iter().map(AsRef::as_ref).collect();
    let known = store.documents_below(&options.project, &roots).await?;
    let mut known: HashMap<String, StoredDocument> =
        known.into_iter().map(|document| (document.source.clone(), document)).collect();
    if let Some(only) = only {
        let concerns = |path: &Path| path.ancestors().any(|above| only.contains(above));
        walk.files.retain(|found| concerns(&found.path));
        walk.unreadable
            .retain(|(folder, _)| concerns(folder) || only.iter().any(|path| path.starts_with(folder)));
        known.retain(|source, _| concerns(Path::new(source)));
    }
    progress.step(&format!("{} files", walk.files.len()));
    let kept = run(store, options, &walk, &known, progress, &mut report).await?;
    if !report.stopped {
        let allowed = |source: &str| is_looked_at(&walk, &globs, Path::new(source));
        let mut gone: Vec<&str> = known.keys().map(String::as_str).collect();
        gone.retain(|source| !kept.contains(*source) && allowed(source));
        gone.sort_unstable();
        remove(store, options, &gone, progress, &mut report).await?;
    }
    for (folder, skip) in walk.unreadable {
        report.skip(folder, skip);
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// The paths that are there, and those that are not: as they were given, and whole.
fn split_missing(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<(PathBuf, PathBuf)>) {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for path in paths {
        let is_missing = path.canonicalize().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        match whole(path).filter(|_| is_missing) {
            Some(whole) => missing.push((path.clone(), whole)),
            None => there.push(path.clone()),
        }
    }
    (there, missing)
}

/// The whole path of what is not there any more, by what still is.
pub(crate) fn whole(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let there = absolute.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let (above, canonical) = there?;
    Some(canonical.join(absolute.strip_prefix(above).ok()?))
}

/// Whether this run would have found a file if it were there.
fn is_looked_at(walk: &Walk, globs: &Globs, file: &Path) -> bool {
    let in_unreadable = walk.unreadable.iter().any(|(folder, _)| file.starts_with(folder));
    let mut roots = walk.roots.iter().filter(|root| file.starts_with(root));
    !in_unreadable && roots.any(|root| root == file || globs.allow(root, file))
}

async fn remove(
    store: &Store,
    options: &Options,
    gone: &[&str],
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<()> {
    for source in gone {
        if progress.should_stop() {
            report.stopped = true;
            break;
        }
        report.documents.removed += 1;
        if !options.dry_run {
            let removed = store.remove_document(&options.project, source).await?;
            report.chunks.removed += removed.unwrap_or_default();
        }
    }
    Ok(())
}

/// Reads, looks up, embeds and writes, each at the same time as the others. The sources of what is still there.
async fn run(
    store: &Store,
    options: &Options,
    walk: &Walk,
    known: &HashMap<String, StoredDocument>,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<HashSet<String>> {
    let of: u64 = walk.files.iter().filter(|found| found.kind.is_ok()).map(|found| found.bytes).sum();
    let reading = read::read(store.clone(), options.clone(), walk.files.clone(), known.clone());
    let Reading { windows, reader, stop } = reading;
    let (sender, mut steps) = mpsc::channel(1);
    let on_the_way = OnTheWay::default();
    let lookup = Lookup { store: store.clone(), on_the_way: on_the_way.clone(), dry_run: options.dry_run };
    let sorting = tokio::spawn(lookup.run(windows, sender));
    let mut writer = Writer {
        store,
        project: &options.project,
        dry_run: options.dry_run,
        on_the_way,
        report,
        places: Vec::new(),
        is_new: false,
        refused: HashSet::new(),
    };
    let mut done = 0;
    let written = async {
        while let Some(step) = steps.recv().await {
            let step = step?;
            done += step.bytes;
            writer.take(step).await?;
            progress.bytes(done, of, &writer.report.documents, &writer.report.chunks);
            if progress.should_stop() {
                writer.report.stopped = true;
                break;
            }
        }
        Ok::<_, Error>(())
    }
    .await;
    // Whoever still works for us finds nobody to hand it to, and ends.
    stop.store(true, Ordering::Relaxed);
    drop(steps);
    sorting.await.map_err(Error::Panicked)?;
    let kept = reader.await.map_err(Error::Panicked)?;
    written?;
    kept
}

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_turbo_documents as documents;
use agent_turbo_knowledge::Store;
use notify::{Event, EventKind, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::run::{ingest_only, whole};
use crate::{Error, Options, Progress, Report, Result, ingest};

/// Editors and version control change files several times in a row: this long nothing may happen before they are read.
const QUIET: Duration = Duration::from_millis(250);
/// Where something happens all the time they are read after this long all the same.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between attempts, after one that failed.
const PAUSE: Duration = Duration::from_secs(5);
/// Changed paths that are kept apart; of more, everything is looked at.
const MAX_CHANGED: usize = 10_000;

/// What a watcher tells.
#[derive(Debug)]
pub enum Heard {
    /// A run ended. The first one is over everything, the others are over what changed.
    Ran(Report),
    /// Everything is as it is in the files, and from now on changes are waited for.
    Watching,
    /// A run failed; what changed is looked at again.
    Failed(Error),
}

/// What happened since somebody looked.
#[derive(Debug, Default)]
struct Changes {
    paths: HashSet<PathBuf>,
    everything: bool,
}

#[derive(Debug, Default)]
struct Shared {
    changes: Mutex<Changes>,
    happened: Notify,
}

/// Ingests, and again what changes, until `stopped` is there.
///
/// # Errors
/// When the files cannot be watched, or the first run fails. Later ones are tried again.
pub async fn watch(
    store: &Store,
    options: &Options,
    progress: &dyn Progress,
    stopped: impl Future<Output = ()>,
    heard: &mut (dyn FnMut(Heard) + Send),
) -> Result<()> {
    let shared = Arc::new(Shared::default());
    // Before the first run, so that nothing happens between the two.
    let _watcher = start(&options.paths, &shared)?;
    let report = ingest(store, options, progress).await?;
    let is_stopped = report.stopped;
    heard(Heard::Ran(report));
    if is_stopped {
        return Ok(());
    }
    heard(Heard::Watching);
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return Ok(()),
            () = settled(&shared) => {}
        }
        let changes = std::mem::take(&mut *lock(&shared));
        let only = (!changes.everything).then_some(&changes.paths);
        match ingest_only(store, options, only, progress).await {
            Ok(report) => {
                if report.stopped {
                    return Ok(());
                }
                if report.has_changes() || report.has_errors() {
                    heard(Heard::Ran(report));
                }
            }
            Err(error) => {
                heard(Heard::Failed(error));
                lock(&shared).add(changes);
                shared.happened.notify_one();
                tokio::select! {
                    () = &mut stopped => return Ok(()),
                    () = sleep(PAUSE) => {}
                }
            }
        }
    }
}

/// Until something happened, and then nothing more for a while.
async fn settled(shared: &Shared) {
    shared.happened.notified().await;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && timeout(QUIET, shared.happened.notified()).await.is_ok() {}
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Changes> {
    shared.changes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(paths: &[PathBuf], shared: &Arc<Shared>) -> Result<notify::RecommendedWatcher> {
    let mut roots = Vec::new();
    for path in paths {
        let gone =
            || documents::Error::Path { path: path.clone(), source: std::io::ErrorKind::NotFound.into() };
        roots.push(whole(path).ok_or_else(gone)?);
    }
    let (ours, listener) = (roots.clone(), Arc::clone(shared));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
        Ok(event) => listener.note(&ours, event),
        Err(error) => {
            tracing::debug!(%error, "ingest.watch");
            listener.note_everything();
        }
    })
    .map_err(Error::Watch)?;
    for root in roots {
        // A file that is replaced is another one for the system: its folder tells.
        let (place, mode) = match root.parent() {
            Some(folder) if !root.is_dir() => (folder, RecursiveMode::NonRecursive),
            _ => (root.as_path(), RecursiveMode::Recursive),
        };
        watcher.watch(place, mode).map_err(Error::Watch)?;
    }
    Ok(watcher)
}

impl Shared {
    fn note(&self, roots: &[PathBuf], event: Event) {
        if event.need_rescan() {
            return self.note_everything();
        }
        // Reading files is no change of them.
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        let mut changes = lock(self);
        let mut concerned = false;
        for path in event.paths {
            let Some(below) = roots.iter().find_map(|root| path.strip_prefix(root).ok()) else { continue };
            if is_rule(&path) {
                changes.everything = true;
            } else if is_hidden(below) {
                continue;
            }
            concerned = true;
            changes.insert(path);
        }
        drop(changes);
        if concerned {
            self.happened.notify_one();
        }
    }

    fn note_everything(&self) {
        lock(self).everything = true;
        self.happened.notify_one();
    }
}

impl Changes {
    fn insert(&mut self, path: PathBuf) {
        if self.paths.len() < MAX_CHANGED {
            self.paths.insert(path);
        } else {
            self.everything = true;
        }
    }

    fn add(&mut self, earlier: Changes) {
        self.everything |= earlier.everything;
        earlier.paths.into_iter().for_each(|path| self.insert(path));
    }
}

/// Whether other files are found, or not, because of this one.
fn is_rule(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == ".gitignore" || name == ".ignore")
}

fn is_hidden(below: &Path) -> bool {
    below.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
}

//! The bridge from the async API to work that blocks: files, locks, child processes.

use tokio::sync::mpsc;

use crate::error::Error;
use crate::progress::{Progress, Step};

/// How blocking work reports its steps.
pub(crate) type Report = mpsc::UnboundedSender<Step>;

/// Runs `work` on the blocking pool and passes its steps on to `progress`, which needn't be `'static`.
///
/// Dropping the future does not stop the work: what it leaves behind is always either whole or absent, and the
/// next caller picks it up. (The channel is bounded by the handful of steps that there are.)
pub(crate) async fn run<T, F>(progress: Progress<'_>, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce(&Report) -> Result<T, Error> + Send + 'static,
{
    let (report, mut steps) = mpsc::unbounded_channel();
    let task = tokio::task::spawn_blocking(move || work(&report));
    while let Some(step) = steps.recv().await {
        progress(step);
    }
    match task.await {
        Ok(result) => result,
        Err(stopped) if stopped.is_panic() => std::panic::resume_unwind(stopped.into_panic()),
        Err(_) => Err(Error::Cancelled),
    }
}

/// Reports a step; nobody listening is fine.
pub(crate) fn tell(report: &Report, step: Step) {
    let _ = report.send(step);
}

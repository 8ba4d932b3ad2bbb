use anyhow::Result;
use indicatif::ProgressBar;

use crate::progress;
use crate::stop::Stop;

/// Shows how far an evaluation is, with its rate and the time left, and hears of Ctrl-C.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    stop: Stop,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = progress::bar("{bar:30.cyan} {pos}/{len}  {per_sec:.dim}  {eta} left  {wide_msg:.dim}");
        Self { bar, stop: Stop::new() }
    }

    /// From now on the first Ctrl-C, or a request to terminate, is a request to stop and to clear away; the second one ends
    /// the program, and tells how to clear away what is in `project`.
    pub(super) fn hear_signals(&self, project: &str) -> Result<()> {
        let last = format!("Not cleared away: agent-turbo eval --remove {project}");
        self.stop.hear_signals("Stopping and clearing away", Some(last))
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_wanted()
    }

    /// Returns when it is told to stop.
    pub(super) async fn stopped(&self) {
        self.stop.wanted().await;
    }

    /// Begins something that has `of` parts.
    pub(super) fn step(&self, step: &str, of: usize) {
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(of as u64);
            bar.set_message(step.to_owned());
        }
    }

    pub(super) fn done(&self, parts: usize) {
        if let Some(bar) = &self.bar {
            bar.inc(parts as u64);
        }
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

use agent_turbo_migrator::{Counts, Progress};
use anyhow::Result;
use indicatif::ProgressBar;

use crate::output::headline;
use crate::progress;
use crate::stop::Stop;

/// Shows how far an import is, with its rate and the time left, and hears of Ctrl-C.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    stop: Stop,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar =
            progress::bar("{bar:30.cyan} {pos}/{len} rows  {per_sec:.dim}  {eta} left  {wide_msg:.dim}");
        Self { bar, stop: Stop::new() }
    }

    /// From now on the first Ctrl-C, or a request to terminate, is a request to stop after the batch under way; the
    /// second one ends the program.
    pub(super) fn hear_signals(&self) -> Result<()> {
        self.stop.hear_signals("Stopping after the batch under way", None)
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bar {
    fn step(&self, step: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(headline(step, 80));
            bar.reset();
        }
    }

    fn rows(&self, done: u64, of: u64, counts: &Counts) {
        let Some(bar) = &self.bar else { return };
        bar.set_length(of);
        bar.set_position(done);
        if counts.rejected > 0 {
            bar.set_message(format!("{} rejected", counts.rejected));
        }
    }

    fn should_stop(&self) -> bool {
        self.stop.is_wanted()
    }
}

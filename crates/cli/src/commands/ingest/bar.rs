use agent_turbo_ingest::{ChunkCounts, DocumentCounts, Progress};
use anyhow::Result;
use indicatif::ProgressBar;

use crate::output::{count, headline};
use crate::progress;
use crate::stop::Stop;

/// Shows how far an ingest is, with its rate and the time left, and hears of Ctrl-C.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    stop: Stop,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = progress::bar("{bar:30.cyan} {bytes}/{total_bytes}  {eta} left  {wide_msg:.dim}");
        Self { bar, stop: Stop::new() }
    }

    /// From now on the first Ctrl-C, or a request to terminate, is a request to stop after the batch under way; the
    /// second one ends the program.
    pub(super) fn hear_signals(&self) -> Result<()> {
        self.stop.hear_signals("Stopping after the batch under way", None)
    }

    /// Until somebody wants it to stop.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + use<> {
        self.stop.wanted()
    }

    pub(super) fn stop(&self) {
        self.stop.want();
    }

    /// Makes room for lines, until something moves again.
    pub(super) fn hide(&self) {
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_length(0);
            bar.finish_and_clear();
        }
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
            bar.reset();
            bar.set_message(headline(step, 80));
        }
    }

    fn bytes(&self, done: u64, of: u64, documents: &DocumentCounts, chunks: &ChunkCounts) {
        let Some(bar) = &self.bar else { return };
        bar.set_length(of.max(done));
        bar.set_position(done);
        let read = documents.added + documents.changed + documents.unchanged;
        bar.set_message(format!("{}, {} embedded", count(read, "document"), count(chunks.embedded, "chunk")));
    }

    fn should_stop(&self) -> bool {
        self.stop.is_wanted()
    }
}

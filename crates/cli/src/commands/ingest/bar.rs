use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent_turbo_ingest::{ChunkCounts, DocumentCounts, Progress};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::output::{count, headline, tell};

/// Shows how far an ingest is, with its rate and the time left, and hears of Ctrl-C.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    stop: Arc<Stop>,
}

#[derive(Default)]
struct Stop {
    is_wanted: AtomicBool,
    told: Notify,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            let template = "{bar:30.cyan} {bytes}/{total_bytes}  {eta} left  {wide_msg:.dim}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, stop: Arc::default() }
    }

    /// From now on the first Ctrl-C, or a request to terminate, is a request to stop after the batch under way; the
    /// second one ends the program.
    pub(super) fn hear_signals(&self) -> Result<()> {
        let stop = Arc::clone(&self.stop);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            for last in [false, true] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if last {
                    // What is committed stays, as after a kill.
                    std::process::exit(130);
                }
                stop.want();
                tell("Stopping after the batch under way; once more to stop at once");
            }
        });
        Ok(())
    }

    /// Until somebody wants it to stop.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + use<> {
        let stop = Arc::clone(&self.stop);
        async move { stop.told.notified().await }
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

impl Stop {
    fn want(&self) {
        self.is_wanted.store(true, Ordering::Relaxed);
        self.told.notify_one();
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
        self.stop.is_wanted.load(Ordering::Relaxed)
    }
}

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent_turbo_migrator::{Counts, Progress};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use crate::output::{headline, tell};

/// Shows how far an import is, with its rate and the time left, and hears of Ctrl-C.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    stop: Arc<AtomicBool>,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            let template = "{bar:30.cyan} {pos}/{len} rows  {per_sec:.dim}  {eta} left  {wide_msg:.dim}";
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
        let stopping = Arc::clone(&self.stop);
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
                stopping.store(true, Ordering::Relaxed);
                tell("Stopping after the batch under way; once more to stop at once");
            }
        });
        Ok(())
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
        self.stop.load(Ordering::Relaxed)
    }
}

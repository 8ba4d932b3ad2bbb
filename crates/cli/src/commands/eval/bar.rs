use std::io::IsTerminal as _;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::output::tell;

/// Shows how far an evaluation is, with its rate and the time left, and hears of Ctrl-C.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    stop: watch::Sender<bool>,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            let template = "{bar:30.cyan} {pos}/{len}  {per_sec:.dim}  {eta} left  {wide_msg:.dim}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, stop: watch::Sender::new(false) }
    }

    /// From now on the first Ctrl-C, or a request to terminate, is a request to stop and to clear away; the second one ends
    /// the program, and tells how to clear away what is in `project`.
    pub(super) fn hear_signals(&self, project: &str) -> Result<()> {
        let (stop, project) = (self.stop.clone(), project.to_owned());
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            for last in [false, true] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if last {
                    tell(format_args!("Not cleared away: agent-turbo eval --remove {project}"));
                    std::process::exit(130);
                }
                stop.send_replace(true);
                tell("Stopping and clearing away; once more to stop at once");
            }
        });
        Ok(())
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Returns when it is told to stop.
    pub(super) async fn stopped(&self) {
        // The sender lives as long as this does, so that waiting cannot fail.
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
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

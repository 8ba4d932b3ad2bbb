use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Tells people on stderr what takes so long: a moving line in a terminal, one line a step elsewhere.
pub(crate) struct Spinner(Option<ProgressBar>);

impl Spinner {
    pub(crate) fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        Self(Some(bar))
    }

    pub(crate) fn step(&self, step: impl std::fmt::Display) {
        match &self.0 {
            Some(bar) => {
                bar.enable_steady_tick(std::time::Duration::from_millis(100));
                bar.set_message(step.to_string());
            }
            None => anstream::eprintln!("{step}"),
        }
    }

    pub(crate) fn finish(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

use std::fmt::Display;
use std::io::IsTerminal;
use std::sync::LazyLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::output::tell;

/// Several things start at once and share the screen.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// A bar of that look, in a terminal; nothing is drawn elsewhere.
pub(crate) fn bar(template: &str) -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    })
}

/// Tells people on stderr what takes so long: a moving line in a terminal, one line a step elsewhere.
pub(crate) struct Spinner(Option<ProgressBar>);

impl Spinner {
    pub(crate) fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {wide_msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        Self(Some(bar))
    }

    pub(crate) fn step(&self, step: impl Display) {
        match &self.0 {
            Some(bar) => {
                // Nothing is drawn for what needs no step at all.
                if bar.message().is_empty() {
                    BARS.add(bar.clone());
                }
                bar.set_message(step.to_string());
                bar.enable_steady_tick(Duration::from_millis(100));
            }
            None => tell(step),
        }
    }

    /// A step that is told in a terminal only: it ends soon, or the result will tell of it.
    pub(crate) fn show(&self, step: &str) {
        if self.0.is_some() {
            self.step(step);
        }
    }

    pub(crate) fn finish(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

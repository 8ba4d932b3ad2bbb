use std::cell::RefCell;
use std::time::Duration;

use crate::{Pair, Times};

/// What is said at the end: a line for each bar, and figures without one.
#[derive(Debug, Default)]
pub struct Report(RefCell<Vec<String>>);

impl Report {
    /// The median is to be at most `bar`.
    pub fn median(&self, name: &str, times: &Times, bar: Duration) {
        if let Some(median) = times.median() {
            self.judge(
                median <= bar,
                name,
                format_args!("{median:.2?} (bar {bar:.2?}, median of {})", times.count()),
            );
        }
    }

    /// The fastest call is to take at most `bar`: on a shared machine it says more of the work than the median does.
    pub fn best(&self, name: &str, times: &Times, bar: Duration) {
        if let (Some(best), Some(median)) = (times.best(), times.median()) {
            self.judge(
                best <= bar,
                name,
                format_args!("{best:.2?} (bar {bar:.2?}, best of {}), median {median:.2?}", times.count()),
            );
        }
    }

    /// The subject is to take at most `bar` times what its floor takes.
    pub fn ratio(&self, name: &str, pair: &Pair, bar: f64) {
        if let (Some(ratio), Some(subject), Some(floor)) =
            (pair.ratio(), pair.subject.median(), pair.floor.median())
        {
            let rounds = pair.subject.count();
            let medians = format_args!("{subject:.2?} over {floor:.2?}, medians of {rounds}");
            self.judge(ratio <= bar, name, format_args!("{ratio:.3} × (bar {bar} ×, {medians})"));
        }
    }

    /// A median without a bar.
    pub fn figure(&self, name: &str, times: &Times) {
        if let Some(median) = times.median() {
            self.note(name, &format!("{median:.2?} (median of {})", times.count()));
        }
    }

    /// Anything else worth knowing.
    pub fn note(&self, name: &str, what: &str) {
        self.0.borrow_mut().push(format!("     {name}: {what}"));
    }

    fn judge(&self, met: bool, name: &str, what: std::fmt::Arguments<'_>) {
        let verdict = if met { "PASS" } else { "FAIL" };
        self.0.borrow_mut().push(format!("{verdict} {name}: {what}"));
    }

    #[expect(clippy::print_stdout, reason = "the figures are the result")]
    pub(crate) fn print(&self) {
        println!();
        for line in &*self.0.borrow() {
            println!("{line}");
        }
    }
}

use std::cell::RefCell;

use anyhow::Result;

use crate::gate::Gate;
use crate::measured::{Figure, Measured};
use crate::{Pair, Times, sure};

/// What is said at the end: a line for each gate, and figures without one.
#[derive(Debug, Default)]
pub struct Report {
    lines: RefCell<Vec<String>>,
    figures: RefCell<Vec<Figure>>,
}

impl Report {
    /// The gate's figure is the median.
    pub fn median(&self, gate: &str, times: &Times) {
        if let Some(median) = times.median() {
            let value = median.as_secs_f64() * sure(of(gate).unit.per_second());
            self.value(gate, value, format!("median of {}", times.count()));
        }
    }

    /// The gate's figure is the fastest call: on a shared machine it says more of the work than the median does.
    pub fn best(&self, gate: &str, times: &Times) {
        if let (Some(best), Some(median)) = (times.best(), times.median()) {
            let value = best.as_secs_f64() * sure(of(gate).unit.per_second());
            self.value(gate, value, format!("best of {}, median {median:.2?}", times.count()));
        }
    }

    /// The gate's figure is what the subject takes, in times of what its floor takes.
    pub fn ratio(&self, gate: &str, pair: &Pair) {
        if let Some(ratio) = pair.ratio() {
            self.value(gate, ratio, medians(pair));
        }
    }

    /// The gate's figure is the share of the floor's throughput that the subject reaches with the same work.
    pub fn share(&self, gate: &str, pair: &Pair) {
        if let Some(ratio) = pair.ratio() {
            self.value(gate, 1.0 / ratio, medians(pair));
        }
    }

    /// The gate's figure, in its unit, measured some other way.
    pub fn value(&self, gate: &str, value: f64, detail: String) {
        let judge = of(gate);
        let verdict = if judge.is_met(value) { "PASS" } else { "FAIL" };
        self.lines.borrow_mut().push(format!(
            "{verdict} {gate}: {} (bar {}, {detail})",
            judge.unit.of(value),
            judge.bar()
        ));
        self.figures.borrow_mut().push(Figure { gate: gate.to_owned(), value, detail });
    }

    /// A median without a gate.
    pub fn figure(&self, name: &str, times: &Times) {
        if let Some(median) = times.median() {
            self.note(name, &format!("{median:.2?} (median of {})", times.count()));
        }
    }

    /// Anything else worth knowing.
    pub fn note(&self, name: &str, what: &str) {
        self.lines.borrow_mut().push(format!("     {name}: {what}"));
    }

    /// Leaves the figures for the verdict.
    pub(crate) fn keep(&self, bench: &str) -> Result<()> {
        Measured::keep(bench, self.figures.borrow().clone())
    }

    #[expect(clippy::print_stdout, reason = "the figures are the result")]
    pub(crate) fn print(&self) {
        println!();
        for line in &*self.lines.borrow() {
            println!("{line}");
        }
    }
}

fn of(gate: &str) -> Gate {
    sure(Gate::named(gate))
}

fn medians(pair: &Pair) -> String {
    let (subject, floor) = (pair.subject.median(), pair.floor.median());
    format!(
        "{:.2?} over {:.2?}, medians of {}",
        subject.unwrap_or_default(),
        floor.unwrap_or_default(),
        pair.subject.count()
    )
}

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use comfy_table::Table;
use serde::Serialize;
use serde_json::json;

/// What was proven, with the real value and the time that it took.
#[derive(Serialize)]
struct Check {
    phase: &'static str,
    name: String,
    value: String,
    milliseconds: f64,
}

/// One of the plan's success criteria, and what was measured of it.
#[derive(Serialize)]
struct Criterion {
    name: String,
    required: String,
    measured: String,
}

/// The checks so far. Lines go out as they come; a JSON document goes out at the end.
pub(super) struct Report {
    json: bool,
    phase: &'static str,
    checks: Vec<Check>,
    criteria: Vec<Criterion>,
    started: Instant,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self { json, phase: "", checks: Vec::new(), criteria: Vec::new(), started: Instant::now() }
    }

    pub(super) fn phase(&mut self, name: &'static str) {
        self.phase = name;
    }

    /// Runs one check, notes what it found, and hands on what it made.
    pub(super) async fn check<T, V: Display>(
        &mut self,
        name: &str,
        work: impl Future<Output = Result<(V, T)>>,
    ) -> Result<T> {
        let started = Instant::now();
        let (value, made) = work.await.with_context(|| name.to_owned())?;
        self.note(name, value, started.elapsed());
        Ok(made)
    }

    /// Notes a check that was timed where it was made.
    pub(super) fn note(&mut self, name: &str, value: impl Display, took: Duration) {
        let check = Check {
            phase: self.phase,
            name: name.to_owned(),
            value: value.to_string(),
            milliseconds: took.as_secs_f64() * 1000.0,
        };
        if !self.json {
            let (green, dim, reset) =
                (anstyle::AnsiColor::Green.on_default(), anstyle::Style::new().dimmed(), anstyle::Reset);
            let mut lines = check.value.lines();
            anstream::println!(
                "{green}✔{reset} {} {:<34} {}  {dim}{:.1} ms{reset}",
                check.phase,
                check.name,
                lines.next().unwrap_or_default(),
                check.milliseconds
            );
            for line in lines {
                anstream::println!("    {dim}{line}{reset}");
            }
        }
        self.checks.push(check);
    }

    /// Notes what a criterion of the plan came to; what does not meet it has failed before.
    pub(super) fn criterion(&mut self, criterion: &str, required: &str, measured: &str) {
        let [name, required, measured] = [criterion, required, measured].map(str::to_owned);
        self.criteria.push(Criterion { name, required, measured });
    }

    /// The summary; hands on a failure for the program to report.
    pub(super) fn finish(self, outcome: Result<()>) -> Result<()> {
        let seconds = self.started.elapsed().as_secs_f64();
        if self.json {
            let failure = outcome.as_ref().err().map(|error| format!("{error:#}"));
            let document = json!({ "ok": outcome.is_ok(), "failure": failure, "seconds": seconds,
                                    "checks": self.checks, "criteria": self.criteria });
            anstream::println!("{document:#}");
        } else if outcome.is_ok() {
            let mut phases: Vec<&str> = self.checks.iter().map(|check| check.phase).collect();
            phases.dedup();
            if phases.len() > 1 {
                anstream::println!("\nSuccess criteria\n{}", self.table());
            }
            anstream::println!(
                "\n{} checks of {} passed in {seconds:.1} s",
                self.checks.len(),
                phases.join(", ")
            );
        }
        outcome
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(["Criterion", "Required", "Measured"]);
        for Criterion { name, required, measured } in &self.criteria {
            table.add_row([name, required, measured]);
        }
        table
    }
}

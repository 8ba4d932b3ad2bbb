//! What happened, as a table, as JSON, and as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::oracle::{Oracle, Quantiles};
use super::schedule::Fault;

#[derive(Serialize)]
pub(super) struct Report {
    ok: bool,
    failure: Option<String>,
    seed: u64,
    minutes: u64,
    seconds: f64,
    facts: u64,
    operations: Vec<Operation>,
    /// Attempts that were not acknowledged, by why.
    failures: BTreeMap<String, u64>,
    faults: Vec<Suffered>,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Operation {
    name: String,
    acknowledged: u64,
    refused: u64,
    unknown: u64,
    #[serde(flatten)]
    latency: Quantiles,
}

#[derive(Serialize)]
struct Suffered {
    at_seconds: f64,
    faults: Vec<Fault>,
    what: Vec<String>,
    recovered_after_ms: Option<u64>,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    value: String,
}

impl Report {
    pub(super) fn new(seed: u64, minutes: u64) -> Self {
        Self {
            ok: false,
            failure: None,
            seed,
            minutes,
            seconds: 0.0,
            facts: 0,
            operations: Vec::new(),
            failures: BTreeMap::new(),
            faults: Vec::new(),
            checks: Vec::new(),
        }
    }

    pub(super) fn lasted(&mut self, time: Duration) {
        self.seconds = time.as_secs_f64();
    }

    pub(super) fn suffered(&mut self, at: Duration, faults: &[Fault], recovery: Option<Duration>) {
        self.faults.push(Suffered {
            at_seconds: at.as_secs_f64(),
            faults: faults.to_vec(),
            what: faults.iter().map(ToString::to_string).collect(),
            recovered_after_ms: recovery.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        });
    }

    /// Notes a check, and says it at once.
    pub(super) fn check(&mut self, name: &'static str, ok: bool, value: String) {
        let (mark, style) =
            if ok { ("✔", anstyle::AnsiColor::Green) } else { ("✘", anstyle::AnsiColor::Red) };
        let (style, reset) = (style.on_default(), anstyle::Reset);
        anstream::eprintln!("{style}{mark}{reset} {name:<42} {value}");
        self.checks.push(Check { name, ok, value });
    }

    pub(super) fn tallied(&mut self, oracle: &Oracle) {
        self.facts = oracle.facts;
        self.operations = oracle
            .ops
            .iter()
            .map(|(op, tally)| Operation {
                name: op.name(),
                acknowledged: tally.acknowledged,
                refused: tally.refused,
                unknown: tally.unknown,
                latency: tally.latency.quantiles(),
            })
            .collect();
        self.failures = oracle
            .classes
            .iter()
            .map(|(class, count)| {
                let name = serde_json::to_value(class).ok().and_then(|name| name.as_str().map(str::to_owned));
                (name.unwrap_or_default(), *count)
            })
            .collect();
    }

    /// Prints the result, and writes the file.
    pub(super) fn finish(mut self, outcome: &Result<()>, json: bool, file: Option<&Path>) -> Result<()> {
        self.ok = outcome.is_ok();
        self.failure = outcome.as_ref().err().map(|error| format!("{error:#}"));
        if let Some(path) = file {
            std::fs::write(path, self.markdown()).with_context(|| format!("write {}", path.display()))?;
        }
        if json {
            anstream::println!("{}", serde_json::to_string_pretty(&self)?);
        } else {
            anstream::print!("{}", self.tables(false));
        }
        Ok(())
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "# Soak\n\n`cargo xtask soak --minutes {} --seed {}` wrote this. Agents in four processes work while what they rely on \
             breaks: after each fault one operation of each kind must succeed again within 30 s, and in the end everything \
             that was acknowledged is looked for.\n\n",
            self.minutes, self.seed
        );
        match &self.failure {
            None => {
                let _ = writeln!(
                    text,
                    "**Passed.** {:.0} s of load, {} acknowledged facts.",
                    self.seconds, self.facts
                );
            }
            Some(failure) => {
                let _ = writeln!(text, "**Failed.**\n\n```text\n{failure}\n```");
            }
        }
        text + &self.tables(true)
    }

    /// The same tables for people at a terminal and for Markdown, which differ in their frames alone.
    fn tables(&self, markdown: bool) -> String {
        let mut out = String::new();
        let operations = self.operations.iter().map(|op| {
            vec![
                op.name.clone(),
                op.acknowledged.to_string(),
                op.refused.to_string(),
                op.unknown.to_string(),
                format!("{:.1}", op.latency.p50_ms),
                format!("{:.1}", op.latency.p95_ms),
            ]
        });
        let heads = ["operation", "acknowledged", "refused", "unknown", "p50 ms", "p95 ms"];
        table(&mut out, markdown, "Operations", &heads, operations.collect());
        let failures = self.failures.iter().map(|(class, count)| vec![class.clone(), count.to_string()]);
        table(&mut out, markdown, "Attempts that failed, by why", &["why", "attempts"], failures.collect());
        table(
            &mut out,
            markdown,
            "Faults",
            &["fault", "times", "recovered, median ms", "at the most"],
            self.by_kind(),
        );
        let checks = self.checks.iter().map(|check| {
            vec![format!("{} {}", if check.ok { "✔" } else { "✘" }, check.name), check.value.clone()]
        });
        table(&mut out, markdown, "Checks", &["check", "value"], checks.collect());
        if markdown {
            let schedule = self.faults.iter().map(|step| {
                let after = step.recovered_after_ms.map_or("never".to_owned(), |ms| ms.to_string());
                vec![format!("{:.1}", step.at_seconds), step.what.join("; "), after]
            });
            table(&mut out, true, "Schedule", &["at, s", "what", "recovered after ms"], schedule.collect());
        }
        out
    }

    fn by_kind(&self) -> Vec<Vec<String>> {
        let mut kinds: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for step in &self.faults {
            for fault in &step.faults {
                kinds.entry(fault.kind()).or_default().extend(step.recovered_after_ms);
            }
        }
        let row = |(kind, mut times): (&str, Vec<u64>)| {
            times.sort_unstable();
            let median = times.get(times.len() / 2).copied().unwrap_or_default();
            let most = times.last().copied().unwrap_or_default();
            vec![kind.to_owned(), times.len().to_string(), median.to_string(), most.to_string()]
        };
        kinds.into_iter().map(row).collect()
    }
}

fn table(out: &mut String, markdown: bool, title: &str, heads: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    if markdown {
        let _ = writeln!(out, "\n## {title}\n\n| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
        for row in rows {
            let _ = writeln!(out, "| {} |", row.join(" | "));
        }
        return;
    }
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            rows.iter().chain([&heads]).map(|row| row[column].chars().count()).max().unwrap_or_default()
        })
        .collect();
    let _ = writeln!(out, "\n{title}");
    for row in std::iter::once(&heads).chain(&rows) {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(out, "  {}", cells.join("  ").trim_end());
    }
}

//! What was promised, and what went wrong that nothing explains.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;

use super::event::{Connections, Event, Fact, Failure, Op};
use super::outcome::Class;
use super::schedule::Fault;

/// More are not kept: the first ones tell the story.
const MAX_VIOLATIONS: usize = 20;

/// Hears of everything. Facts go into a file, so that the oracle itself stays small.
pub(super) struct Oracle {
    path: PathBuf,
    ledger: BufWriter<File>,
    pub(super) facts: u64,
    pub(super) ops: BTreeMap<Op, Tally>,
    pub(super) classes: BTreeMap<Class, u64>,
    windows: Vec<Window>,
    violations: Vec<String>,
    /// What each worker said last.
    pub(super) workers: BTreeMap<String, Worker>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Worker {
    pub(super) is_ready: bool,
    pub(super) quiet: Option<Connections>,
    pub(super) compared: Option<(usize, usize, usize)>,
}

/// When a fault was on, in microseconds since 1970.
struct Window {
    fault: Fault,
    began: u64,
    ended: Option<u64>,
}

impl Oracle {
    pub(super) fn new(path: PathBuf) -> Result<Self> {
        let ledger = BufWriter::new(File::create(&path).context("create the ledger")?);
        Ok(Self {
            path,
            ledger,
            facts: 0,
            ops: BTreeMap::new(),
            classes: BTreeMap::new(),
            windows: Vec::new(),
            violations: Vec::new(),
            workers: BTreeMap::new(),
        })
    }

    pub(super) fn hear(&mut self, source: &str, event: Event) {
        match event {
            Event::Attempt { op, began, ended, failure } => self.attempt(source, op, began, ended, failure),
            Event::Fact(fact) => {
                self.facts += 1;
                let written = serde_json::to_writer(&mut self.ledger, &fact).is_ok()
                    && self.ledger.write_all(b"\n").is_ok();
                if !written {
                    self.violation("the ledger cannot be written".to_owned());
                }
            }
            Event::Violation { what } => self.violation(format!("{source}: {what}")),
            Event::Ready => self.worker(source).is_ready = true,
            Event::Quiet { connections } => self.worker(source).quiet = Some(connections),
            Event::Compared { answers, from_memory, contexts } => {
                self.worker(source).compared = Some((answers, from_memory, contexts));
            }
        }
    }

    fn worker(&mut self, name: &str) -> &mut Worker {
        self.workers.entry(name.to_owned()).or_default()
    }

    pub(super) fn violation(&mut self, what: String) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(what);
        }
    }

    pub(super) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// To be told before the fault is there.
    pub(super) fn fault_begins(&mut self, fault: Fault, now: u64) -> usize {
        self.windows.push(Window { fault, began: now, ended: None });
        self.windows.len() - 1
    }

    pub(super) fn fault_ends(&mut self, window: usize, now: u64) {
        self.windows[window].ended = Some(now);
    }

    fn attempt(&mut self, source: &str, op: Op, began: u64, ended: u64, failure: Option<Failure>) {
        let tally = self.ops.entry(op).or_default();
        let Some(failure) = failure else {
            tally.acknowledged += 1;
            tally.latency.add(ended.saturating_sub(began));
            return;
        };
        let class = failure.class;
        if matches!(class, Class::CommitUnknown | Class::ConnectionLost | Class::Timeout) {
            tally.unknown += 1;
        } else {
            tally.refused += 1;
        }
        *self.classes.entry(class).or_default() += 1;
        let explained = class == Class::LeaseLost
            || self.windows.iter().any(|window| window.explains(class, began, ended));
        if !explained {
            self.violation(format!(
                "{source}: {} with no fault that explains it: {}",
                op.name(),
                failure.text
            ));
        }
    }

    /// Everything that was promised, in the order in which it was heard.
    pub(super) fn promised(&mut self) -> Result<Vec<Fact>> {
        self.ledger.flush().context("write the ledger")?;
        let file = File::open(&self.path).context("read the ledger")?;
        BufReader::new(file).lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
    }
}

impl Window {
    /// Whether a failure of this class between these times is this fault's doing.
    fn explains(&self, class: Class, began: u64, ended: u64) -> bool {
        let (classes, slack): (&[Class], u64) = match self.fault {
            Fault::TerminateBackends { .. } => (&[Class::ConnectionLost, Class::CommitUnknown], 1000),
            Fault::KillServer { .. } => (
                &[
                    Class::Unreachable,
                    Class::ConnectionLost,
                    Class::CommitUnknown,
                    Class::Timeout,
                    Class::PoolTimeout,
                ],
                5000,
            ),
            Fault::EmbedderDown { .. } | Fault::EmbedderSlow { .. } | Fault::EmbedderWrong { .. } => {
                (&[Class::Embedding], 1000)
            }
            Fault::FillPool { .. } => (&[Class::PoolTimeout], 1000),
            // Statements outlive a pause, a worker's end is nobody else's concern, and who listens comes back.
            Fault::PauseServer { .. } | Fault::KillWorker { .. } | Fault::DropListeners => (&[], 0),
        };
        classes.contains(&class)
            && self.began <= ended
            && self.ended.is_none_or(|window_end| window_end + slack * 1000 >= began)
    }
}

/// How one kind of operation went.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    pub(super) unknown: u64,
    pub(super) latency: Latency,
}

/// Durations in buckets that grow by a fifth each.
#[derive(Debug)]
pub(super) struct Latency {
    buckets: [u64; 128],
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: [0; 128] }
    }
}

/// What is known of many durations, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Quantiles {
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
}

const STEP: f64 = 1.2;

impl Latency {
    pub(super) fn add(&mut self, microseconds: u64) {
        let bucket = (microseconds.max(1) as f64).log(STEP).round() as usize;
        self.buckets[bucket.min(self.buckets.len() - 1)] += 1;
    }

    pub(super) fn quantiles(&self) -> Quantiles {
        let total: u64 = self.buckets.iter().sum();
        let at = |share: f64| {
            let wanted = (total as f64 * share).ceil() as u64;
            let mut seen = 0;
            let bucket = self.buckets.iter().position(|count| {
                seen += count;
                seen >= wanted
            });
            bucket.map_or(0.0, |bucket| (STEP.powi(bucket as i32) / 100.0).round() / 10.0)
        };
        Quantiles { p50_ms: at(0.5), p95_ms: at(0.95) }
    }
}

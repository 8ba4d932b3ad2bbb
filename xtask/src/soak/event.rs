use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::oracle::Oracle;
use super::outcome::Class;

/// What agents do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    StartSession,
    Touch,
    EndSession,
    Context,
    Log,
    LogBatch,
    Add,
    Query,
    CreateTask,
    CreateGraph,
    Claim,
    Heartbeat,
    Complete,
    Fail,
    Release,
}

impl Op {
    pub(super) fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// What an agent tells the oracle. From a worker it is one line of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// One attempt at something, and how it went.
    Attempt { op: Op, began: u64, ended: u64, failure: Option<Failure> },
    /// Something that the product promised.
    Fact(Fact),
    /// Something that may not be.
    Violation { what: String },
    /// A worker is at work.
    Ready,
    /// A worker's agents have stopped.
    Quiet { connections: Connections },
    /// A worker has compared what it remembers with the database.
    Compared { answers: usize, from_memory: usize, contexts: usize },
}

/// Why an attempt was not acknowledged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) class: Class,
    pub(super) text: String,
}

/// What one process holds of the server.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Connections {
    pub(super) pool: usize,
}

/// What was acknowledged; told after the acknowledgement, so that a worker that is killed between the two has promised
/// nothing. `Touching` alone is told before: what a session may have used at the most.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub(super) enum Fact {
    Started { session: String },
    Touching { session: String, tokens: u32 },
    Touched { session: String, tokens: u32 },
    Ended { session: String, status: String },
    Logged { actions: Vec<String>, session: String },
    Added { project: String, hash: String, is_new: bool },
    Created { key: String, task: String },
    Completed { task: String, nonce: String },
    GaveUp { task: String },
}

/// Where events go: straight into the oracle, or out of a worker.
#[derive(Clone)]
pub(super) enum Sink {
    Oracle(Arc<Mutex<Oracle>>),
    Stdout,
}

impl Sink {
    pub(super) fn tell(&self, event: Event) {
        match self {
            Self::Oracle(oracle) => oracle.lock().unwrap_or_else(PoisonError::into_inner).hear("here", event),
            Self::Stdout => {
                let Ok(mut line) = serde_json::to_string(&event) else { return };
                line.push('\n');
                // One write: a killed worker leaves no half of a line that could be taken for a whole one.
                let _ = std::io::stdout().lock().write_all(line.as_bytes());
            }
        }
    }

    pub(super) fn fact(&self, fact: Fact) {
        self.tell(Event::Fact(fact));
    }

    pub(super) fn violation(&self, what: impl Into<String>) {
        self.tell(Event::Violation { what: what.into() });
    }
}

/// Microseconds since 1970: the clock that all processes share.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

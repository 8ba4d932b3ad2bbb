//! What goes wrong when: the same for the same seed.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;

/// Something that goes wrong, with all that is to be chosen about it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub(super) enum Fault {
    /// Some of the server's backends are terminated; `draw` says which.
    TerminateBackends { percent: u32, draw: u64 },
    /// Every process of the server is killed; it is started again after a while.
    KillServer { down_ms: u64 },
    /// Every process of the server stands still.
    PauseServer { ms: u64 },
    /// A worker process is killed.
    KillWorker { draw: u64 },
    /// The embedding service closes every connection.
    EmbedderDown { ms: u64 },
    /// It takes its time.
    EmbedderSlow { delay_ms: u64, ms: u64 },
    /// It answers what it must not.
    EmbedderWrong { how: Wrong, ms: u64 },
    /// Somebody keeps every connection of this process's pool.
    FillPool { ms: u64 },
    /// The connections that listen are terminated.
    DropListeners,
}

/// How an answer is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wrong {
    /// The connection closes in the middle.
    Cut,
    /// A component too few.
    Dimension,
    /// Not a number.
    NotANumber,
    /// All zeros.
    Zero,
    /// Another model's name.
    Model,
    /// No JSON.
    Garbage,
    /// Status 500.
    Broken,
}

/// The kinds that [`Fault`]s are counted by.
pub(super) const KINDS: [&str; 9] = [
    "terminate_backends",
    "kill_server",
    "pause_server",
    "kill_worker",
    "embedder_down",
    "embedder_slow",
    "embedder_wrong",
    "fill_pool",
    "drop_listeners",
];

/// Some calm, then one fault or two at once.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) calm: Duration,
    pub(super) faults: Vec<Fault>,
}

/// Every kind comes once before any comes again.
pub(super) struct Schedule {
    random: StdRng,
    bag: Vec<usize>,
}

impl Schedule {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), bag: Vec::new() }
    }

    fn fault(&mut self) -> Fault {
        if self.bag.is_empty() {
            self.bag = (0..KINDS.len()).collect();
            self.bag.shuffle(&mut self.random);
        }
        let kind = self.bag.pop().unwrap_or_default();
        let random = &mut self.random;
        match KINDS[kind] {
            "terminate_backends" => {
                Fault::TerminateBackends { percent: random.random_range(10..=100), draw: random.random() }
            }
            "kill_server" => Fault::KillServer { down_ms: random.random_range(0..4000) },
            "pause_server" => Fault::PauseServer { ms: random.random_range(1000..=3000) },
            "kill_worker" => Fault::KillWorker { draw: random.random() },
            "embedder_down" => Fault::EmbedderDown { ms: random.random_range(500..4000) },
            "embedder_slow" => Fault::EmbedderSlow {
                delay_ms: random.random_range(200..3000),
                ms: random.random_range(1000..5000),
            },
            "embedder_wrong" => {
                const HOW: [Wrong; 7] = [
                    Wrong::Cut,
                    Wrong::Dimension,
                    Wrong::NotANumber,
                    Wrong::Zero,
                    Wrong::Model,
                    Wrong::Garbage,
                    Wrong::Broken,
                ];
                let how = HOW[random.random_range(0..HOW.len())];
                Fault::EmbedderWrong { how, ms: random.random_range(1000..4000) }
            }
            // Now and then longer than anybody may wait for a connection.
            "fill_pool" if random.random_range(0..4) == 0 => Fault::FillPool { ms: 11_000 },
            "fill_pool" => Fault::FillPool { ms: random.random_range(1000..5000) },
            _ => Fault::DropListeners,
        }
    }
}

impl Iterator for Schedule {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let calm = Duration::from_millis(self.random.random_range(500..3500));
        let mut faults = vec![self.fault()];
        if self.random.random_range(0..5) == 0 {
            let second = self.fault();
            if !faults[0].clashes(second) {
                faults.push(second);
            }
        }
        Some(Step { calm, faults })
    }
}

impl Fault {
    pub(super) fn kind(self) -> &'static str {
        KINDS[match self {
            Self::TerminateBackends { .. } => 0,
            Self::KillServer { .. } => 1,
            Self::PauseServer { .. } => 2,
            Self::KillWorker { .. } => 3,
            Self::EmbedderDown { .. } => 4,
            Self::EmbedderSlow { .. } => 5,
            Self::EmbedderWrong { .. } => 6,
            Self::FillPool { .. } => 7,
            Self::DropListeners => 8,
        }]
    }

    /// Two that would be one and the same, or need a server that the other has taken away.
    fn clashes(self, other: Self) -> bool {
        let embedder = |fault: Self| fault.kind().starts_with("embedder");
        let server = |fault: Self| {
            matches!(
                fault,
                Self::KillServer { .. }
                    | Self::PauseServer { .. }
                    | Self::TerminateBackends { .. }
                    | Self::DropListeners
            )
        };
        embedder(self) && embedder(other) || server(self) && server(other) || self.kind() == other.kind()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TerminateBackends { percent, .. } => write!(f, "terminates {percent} % of the backends"),
            Self::KillServer { down_ms } => write!(f, "kills PostgreSQL, restarts it after {down_ms} ms"),
            Self::PauseServer { ms } => write!(f, "stops PostgreSQL for {ms} ms"),
            Self::KillWorker { .. } => f.write_str("kills a worker"),
            Self::EmbedderDown { ms } => write!(f, "takes the embedding service down for {ms} ms"),
            Self::EmbedderSlow { delay_ms, ms } => {
                write!(f, "makes the embedding service {delay_ms} ms slower for {ms} ms")
            }
            Self::EmbedderWrong { how, ms } => {
                write!(f, "makes the embedding service answer wrongly ({how:?}) for {ms} ms")
            }
            Self::FillPool { ms } => write!(f, "fills the pool for {ms} ms"),
            Self::DropListeners => f.write_str("drops the listeners"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_means_the_same_schedule() {
        let steps = |seed| format!("{:?}", Schedule::new(seed).take(50).collect::<Vec<_>>());
        assert_eq!(steps(7), steps(7));
        assert_ne!(steps(7), steps(8));
    }

    #[test]
    fn every_kind_of_fault_comes_early() {
        for seed in 0..20 {
            let first: Vec<Fault> = Schedule::new(seed).take(18).flat_map(|step| step.faults).collect();
            for kind in KINDS {
                assert!(first.iter().any(|fault| fault.kind() == kind), "{kind} is missing with seed {seed}");
            }
        }
    }
}

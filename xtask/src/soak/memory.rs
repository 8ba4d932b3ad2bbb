//! How much memory processes take.

use std::collections::BTreeMap;

use anyhow::Result;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

const MIB: f64 = 1024.0 * 1024.0;
/// What may be added after the first third of the time.
const GROWTH: f64 = 0.15;
const ALLOWANCE_MIB: f64 = 10.0;
/// Samples whose median stands for a moment.
const WINDOW: usize = 9;

/// Resident memory over time, by process.
pub(super) struct Memory {
    system: System,
    /// MiB, a sample a second.
    samples: BTreeMap<u32, Vec<f32>>,
}

/// What became of one process's memory, in MiB.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct Growth {
    pub(super) after_warm_up: f64,
    pub(super) at_the_end: f64,
    pub(super) bound: f64,
}

impl Growth {
    pub(super) fn is_flat(&self) -> bool {
        self.at_the_end <= self.bound
    }
}

impl Memory {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { system: System::new()?, samples: BTreeMap::new() })
    }

    /// Adds a sample; returns MiB.
    pub(super) fn sample(&mut self, pid: u32) -> f64 {
        let sys_pid = Pid::from_u32(pid);
        let what = ProcessRefreshKind::nothing().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[sys_pid]), true, what);
        let mib = self.system.process(sys_pid).map_or(0.0, |process| process.memory() as f64 / MIB);
        if mib > 0.0 {
            self.samples.entry(pid).or_default().push(mib as f32);
        }
        mib
    }

    /// From the end of the first third to now; `None` for a process that was seen too seldom.
    pub(super) fn growth(&self, pid: u32) -> Option<Growth> {
        let samples = self.samples.get(&pid).filter(|samples| samples.len() >= 3 * WINDOW)?;
        let third = samples.len() / 3;
        let after_warm_up = median(&samples[third..third + WINDOW]);
        let at_the_end = median(&samples[samples.len() - WINDOW..]);
        let bound = after_warm_up * (1.0 + GROWTH) + ALLOWANCE_MIB;
        Some(Growth { after_warm_up, at_the_end, bound })
    }
}

fn median(samples: &[f32]) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f32::total_cmp);
    f64::from(samples[samples.len() / 2])
}

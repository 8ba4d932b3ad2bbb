//! Looks on, once a second: memory, and a line of progress now and then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinHandle;

use super::memory::{Growth, Memory};
use super::oracle::Oracle;

const SAMPLE: Duration = Duration::from_secs(1);
const LINE_EVERY: u64 = 5;

pub(super) struct Watch {
    memory: Arc<Mutex<Memory>>,
    looking: JoinHandle<()>,
    here: u32,
    worker: u32,
}

impl Watch {
    pub(super) fn start(oracle: &Arc<Mutex<Oracle>>, worker: u32) -> Result<Self> {
        let memory = Arc::new(Mutex::new(Memory::new()?));
        let here = std::process::id();
        let looking = tokio::spawn(look(Arc::clone(oracle), Arc::clone(&memory), here, worker));
        Ok(Self { memory, looking, here, worker })
    }

    /// Of this process, and of the worker that lived all the time.
    pub(super) fn growth(&self) -> [(&'static str, Option<Growth>); 2] {
        self.looking.abort();
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        [("this process", memory.growth(self.here)), ("a worker", memory.growth(self.worker))]
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

async fn look(oracle: Arc<Mutex<Oracle>>, memory: Arc<Mutex<Memory>>, here: u32, worker: u32) {
    let began = Instant::now();
    let mut tick = tokio::time::interval(SAMPLE);
    for second in 0_u64.. {
        tick.tick().await;
        let (here, worker) = {
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            (memory.sample(here), memory.sample(worker))
        };
        if second % LINE_EVERY == 0 {
            let oracle = oracle.lock().unwrap_or_else(PoisonError::into_inner);
            let sum = |pick: fn(&super::oracle::Tally) -> u64| oracle.ops.values().map(pick).sum::<u64>();
            anstream::eprintln!(
                "{:>6.1} s  {} acknowledged, {} refused, {} unknown; memory {here:.0} and {worker:.0} MiB",
                began.elapsed().as_secs_f64(),
                sum(|tally| tally.acknowledged),
                sum(|tally| tally.refused),
                sum(|tally| tally.unknown),
            );
        }
    }
}

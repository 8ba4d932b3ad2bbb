//! Threads that work on one text together.
//!
//! Each worker is a rayon pool of one thread: inside it rten's kernels see that nothing else may be used and
//! run serially, without any of rayon's bookkeeping, while borrowed data can still be handed to it safely.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{hint, thread};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Spins before a waiting thread offers its core to others: some microseconds, as members usually arrive that close
/// together, and on a busy machine the missing one may be waiting for this very core.
const SPINS_BEFORE_YIELD: u32 = 500;

/// A fixed set of workers.
pub(crate) struct Team {
    workers: Vec<ThreadPool>,
    /// Held by the run in progress: two runs in different order on different workers would wait for each other.
    turn: Mutex<()>,
}

/// Where the members of a team wait for each other.
pub(crate) struct Barrier {
    size: usize,
    arrived: AtomicUsize,
    generation: AtomicUsize,
    abandoned: AtomicBool,
}

/// Another member of the team failed; nobody will arrive at the barrier any more.
#[derive(Debug)]
pub(crate) struct Abandoned;

impl Team {
    /// Starts `size` threads.
    pub(crate) fn start(size: usize) -> Result<Self> {
        let workers = (0..size)
            .map(|index| {
                ThreadPoolBuilder::new()
                    .num_threads(1)
                    .thread_name(move |_| format!("embed-{index}"))
                    .build()
                    .map_err(|error| Error::Threads(error.into()))
            })
            .collect::<Result<_>>()?;
        Ok(Self { workers, turn: Mutex::new(()) })
    }

    /// Number of workers.
    pub(crate) fn size(&self) -> usize {
        self.workers.len()
    }

    /// Runs `work(0)` … `work(count - 1)` at the same time, each on its own worker, and waits for all of them.
    /// A panic of one is passed on.
    pub(crate) fn run(&self, count: usize, work: &(impl Fn(usize) + Sync)) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        run_on(&self.workers[..count], 0, work);
    }
}

fn run_on(workers: &[ThreadPool], first: usize, work: &(impl Fn(usize) + Sync)) {
    if let Some((worker, others)) = workers.split_first() {
        worker.in_place_scope(|scope| {
            scope.spawn(move |_| work(first));
            run_on(others, first + 1, work);
        });
    }
}

impl Barrier {
    /// A barrier for `size` members.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            arrived: AtomicUsize::new(0),
            generation: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
        }
    }

    /// Waits until every member has called this.
    pub(crate) fn wait(&self) -> Result<(), Abandoned> {
        let generation = self.generation.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.size {
            self.arrived.store(0, Ordering::Relaxed);
            self.generation.store(generation.wrapping_add(1), Ordering::Release);
            return Ok(());
        }
        let mut spins = 0;
        while self.generation.load(Ordering::Acquire) == generation {
            if self.abandoned.load(Ordering::Relaxed) {
                return Err(Abandoned);
            }
            if spins < SPINS_BEFORE_YIELD {
                spins += 1;
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
        Ok(())
    }

    /// Lets everybody who waits go with an error, now and later.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{Abandoned, Barrier, Team};

    #[test]
    fn members_meet_at_every_barrier() {
        let team = Team::start(4).unwrap();
        let barrier = Barrier::new(4);
        let rounds: [AtomicUsize; 4] = Default::default();
        team.run(4, &|member| {
            for round in 1..=500 {
                rounds[member].store(round, Ordering::Release);
                barrier.wait().unwrap();
                assert!(rounds.iter().all(|other| other.load(Ordering::Acquire) >= round));
                barrier.wait().unwrap();
            }
        });
    }

    #[test]
    fn a_member_that_gives_up_frees_the_others() {
        let team = Team::start(3).unwrap();
        let barrier = Barrier::new(3);
        let freed = AtomicUsize::new(0);
        team.run(3, &|member| {
            if member == 1 {
                barrier.abandon();
            } else if matches!(barrier.wait(), Err(Abandoned)) {
                freed.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(freed.into_inner(), 2);
    }

    #[test]
    fn a_panic_is_passed_on_and_the_team_goes_on() {
        let team = Team::start(2).unwrap();
        let run = || team.run(2, &|member| assert_eq!(member, 0, "on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        let ran = AtomicUsize::new(0);
        team.run(2, &|_| {
            ran.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(ran.into_inner(), 2);
    }
}

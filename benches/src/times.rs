use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How long each call of one thing took.
#[derive(Debug, Default)]
pub struct Times(RefCell<Vec<Duration>>);

/// A subject and the floor under it.
#[derive(Debug, Default)]
pub struct Pair {
    /// What is judged.
    pub subject: Times,
    /// The least that it could take.
    pub floor: Times,
}

impl Times {
    /// Calls `work` so many times; returns what the calls took together.
    pub fn time(&self, calls: u64, mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
        let mut total = Duration::ZERO;
        for _ in 0..calls {
            let start = Instant::now();
            work()?;
            total += self.add(start);
        }
        Ok(total)
    }

    /// As [`time`](Self::time), for what has to be waited for.
    pub async fn time_async(&self, calls: u64, work: impl AsyncFn() -> Result<()>) -> Result<Duration> {
        let mut total = Duration::ZERO;
        for _ in 0..calls {
            let start = Instant::now();
            work().await?;
            total += self.add(start);
        }
        Ok(total)
    }

    /// Notes a call that began at `start` and is done; returns what it took.
    pub fn add(&self, start: Instant) -> Duration {
        let taken = start.elapsed();
        self.0.borrow_mut().push(taken);
        taken
    }

    /// Calls so far.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// Half of the calls took less; `None` if there were none.
    pub fn median(&self) -> Option<Duration> {
        let mut times = self.0.borrow_mut();
        let middle = times.len() / 2;
        (!times.is_empty()).then(|| *times.select_nth_unstable(middle).1)
    }

    /// The fastest call; `None` if there were none.
    pub fn best(&self) -> Option<Duration> {
        self.0.borrow().iter().min().copied()
    }
}

impl Pair {
    /// Subject and floor take turns for so many rounds, each going first in every other one; returns what the subject
    /// took in all.
    pub async fn alternate(
        &self,
        rounds: u64,
        subject: impl AsyncFn() -> Result<()>,
        floor: impl AsyncFn() -> Result<()>,
    ) -> Result<Duration> {
        let mut total = Duration::ZERO;
        for _ in 0..rounds {
            if self.floor.count().is_multiple_of(2) {
                total += self.subject.time_async(1, &subject).await?;
                self.floor.time_async(1, &floor).await?;
            } else {
                self.floor.time_async(1, &floor).await?;
                total += self.subject.time_async(1, &subject).await?;
            }
        }
        Ok(total)
    }

    /// Median by median; `None` before the first round.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.subject.median()?.as_secs_f64() / self.floor.median()?.as_secs_f64())
    }
}

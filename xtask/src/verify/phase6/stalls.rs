//! When the machine itself stood still: processors that a hypervisor gives to others, disks that take a break.
//!
//! One thread for each processor wants to go on every millisecond, and notes when it comes late, as jHiccup does (Gil Tene, 2011);
//! another one flushes a page to disk every few milliseconds, as a commit does. What both cannot do nobody can, and it is not
//! held against what is measured meanwhile. An idle virtual machine with two processors was seen to stand still for 15 to
//! 31 ms several times a minute.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const TICK: Duration = Duration::from_millis(1);
const FLUSH_EVERY: Duration = Duration::from_millis(5);
/// Delays from here on count: a scheduler's own are shorter, and so is the flush of a page (.5 ms, 1 of 100 takes 3 ms).
const LATE: Duration = Duration::from_millis(8);

/// From when to when.
pub(super) type Span = (Instant, Instant);

/// Threads that watch.
pub(super) struct Stalls {
    stop: Arc<AtomicBool>,
    watchers: Vec<JoinHandle<Result<Vec<Span>>>>,
}

impl Stalls {
    pub(super) fn watch() -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut stalls = Self { stop, watchers: Vec::new() };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        for processor in 0..processors {
            stalls.spawn(move |stop| Ok(late_ticks(processor, stop)))?;
        }
        stalls.spawn(late_flushes)?;
        Ok(stalls)
    }

    fn spawn(&mut self, watch: impl FnOnce(&AtomicBool) -> Result<Vec<Span>> + Send + 'static) -> Result<()> {
        let stop = Arc::clone(&self.stop);
        let watcher = std::thread::Builder::new().name("stalls".into()).spawn(move || watch(&stop))?;
        self.watchers.push(watcher);
        Ok(())
    }

    /// All that were seen.
    pub(super) fn end(mut self) -> Result<Vec<Span>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut seen = Vec::new();
        for watcher in self.watchers.drain(..) {
            seen.extend(watcher.join().ok().context("a watcher of stalls panicked")??);
        }
        Ok(seen)
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn late_ticks(processor: usize, stop: &AtomicBool) -> Vec<Span> {
    stay_on(processor);
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let due = Instant::now() + TICK;
        std::thread::sleep(TICK);
        note(&mut seen, due);
    }
    seen
}

fn late_flushes(stop: &AtomicBool) -> Result<Vec<Span>> {
    let mut file = tempfile::tempfile().context("a file to flush")?;
    let page = [1; 8192];
    // Written once before, so that a flush changes nothing but the page.
    file.write_all(&page).and_then(|()| file.sync_all()).context("write a page")?;
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(FLUSH_EVERY);
        let begun = Instant::now();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&page).and_then(|()| file.sync_data()).context("flush a page")?;
        note(&mut seen, begun);
    }
    Ok(seen)
}

fn note(seen: &mut Vec<Span>, due: Instant) {
    let now = Instant::now();
    if now.duration_since(due) >= LATE {
        seen.push((due, now));
    }
}

/// Where that is possible; elsewhere a watcher may move, and sees less.
fn stay_on(processor: usize) {
    #[cfg(target_os = "linux")]
    {
        let mut set = rustix::thread::CpuSet::new();
        set.set(processor);
        let _ = rustix::thread::sched_setaffinity(None, &set);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = processor;
}

/// How much of a `span` lies within `stalls`, each moment counted once.
pub(super) fn withheld(stalls: &[Span], (from, to): Span) -> Duration {
    let mut parts: Vec<Span> = stalls
        .iter()
        .map(|(start, end)| ((*start).max(from), (*end).min(to)))
        .filter(|(start, end)| start < end)
        .collect();
    parts.sort_unstable();
    let (mut total, mut until) = (Duration::ZERO, from);
    for (start, end) in parts {
        total += end.saturating_duration_since(start.max(until));
        until = until.max(end);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_which_the_machine_stood_still_count_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let stalls = [(at(30), at(50)), (at(0), at(12)), (at(40), at(60)), (at(90), at(200))];
        assert_eq!(withheld(&stalls, (at(10), at(100))), Duration::from_millis(2 + 30 + 10));
        assert_eq!(withheld(&stalls, (at(60), at(90))), Duration::ZERO);
        assert_eq!(withheld(&[], (at(0), at(90))), Duration::ZERO);
    }
}

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Histogram;

/// So many of an operation are timed one and all between two [`drain`](Recorder::drain)s …
const ALL_UP_TO: u64 = 1_000;
/// … and after those one of so many, which counts for all of them.
const ONE_OF: u64 = 16;

/// A span that is timed.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    pub(crate) span: &'static str,
    pub(crate) apart: Option<Apart>,
}

/// Those of an operation that are counted under another name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Apart {
    pub(crate) field: &'static str,
    name: &'static str,
}

/// The histograms of a list of operations. Takes two histograms for each at the most.
#[derive(Debug)]
pub struct Recorder(Box<[Slot]>);

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) operation: Operation,
    seen: AtomicU64,
    usual: Mutex<Option<Histogram>>,
    apart: Mutex<Option<Histogram>>,
}

/// What was measured of an operation.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Its name.
    pub operation: &'static str,
    /// How long it took.
    pub histogram: Histogram,
}

impl Operation {
    /// The spans of this name.
    pub const fn new(span: &'static str) -> Self {
        Self { span, apart: None }
    }

    /// The same, less those that set `field` to true: they are counted as `name`.
    pub const fn with_apart(span: &'static str, field: &'static str, name: &'static str) -> Self {
        Self { span, apart: Some(Apart { field, name }) }
    }
}

impl Recorder {
    /// For these operations.
    pub fn new(operations: &[Operation]) -> Self {
        Self(operations.iter().map(|operation| Slot::new(*operation)).collect())
    }

    /// What was measured since the last time.
    pub fn drain(&self) -> Vec<Measured> {
        self.0.iter().flat_map(Slot::drain).collect()
    }

    pub(crate) fn position(&self, span: &str) -> Option<usize> {
        self.0.iter().position(|slot| slot.operation.span == span)
    }

    pub(crate) fn slot(&self, position: usize) -> &Slot {
        &self.0[position]
    }
}

impl Slot {
    fn new(operation: Operation) -> Self {
        Self { operation, seen: AtomicU64::new(0), usual: Mutex::default(), apart: Mutex::default() }
    }

    /// Whether the next one is to be timed: the others do not even become spans.
    pub(crate) fn is_next(&self) -> bool {
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        seen < ALL_UP_TO || seen.is_multiple_of(ONE_OF)
    }

    /// For how many one that is timed counts. Asked after [`is_next`](Self::is_next), perhaps a few of other threads later.
    pub(crate) fn weight(&self) -> u64 {
        if self.seen.load(Ordering::Relaxed) <= ALL_UP_TO { 1 } else { ONE_OF }
    }

    pub(crate) fn record(&self, apart: bool, took: Duration, weight: u64) {
        let histogram = if apart { &self.apart } else { &self.usual };
        let mut histogram = histogram.lock().unwrap_or_else(PoisonError::into_inner);
        histogram.get_or_insert_default().record(took, weight);
    }

    fn drain(&self) -> impl Iterator<Item = Measured> {
        self.seen.store(0, Ordering::Relaxed);
        let take = |histogram: &Mutex<Option<Histogram>>, operation| {
            let histogram = histogram.lock().unwrap_or_else(PoisonError::into_inner).take();
            histogram.map(|histogram| Measured { operation, histogram })
        };
        let usual = take(&self.usual, self.operation.span);
        let apart = self.operation.apart.and_then(|apart| take(&self.apart, apart.name));
        usual.into_iter().chain(apart)
    }
}

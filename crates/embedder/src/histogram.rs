//! Durations in buckets of equal ratio.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Each bucket's upper bound is this many times the one before.
const RATIO: f64 = 1.1;
/// Bounds from 1 µs to about an hour.
const BUCKETS: usize = 232;

/// A concurrent histogram of durations.
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum_us: AtomicU64::new(0) }
    }
}

impl Histogram {
    pub(crate) fn record(&self, duration: Duration) {
        let microseconds = duration.as_secs_f64() * 1e6;
        let bucket = (microseconds.max(1.0).log(RATIO).ceil() as usize).min(BUCKETS - 1);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(microseconds as u64, Relaxed);
    }

    /// The upper bound of the bucket that holds the `fraction`th duration, in ms; 0 without any.
    pub(crate) fn percentile_ms(&self, fraction: f64) -> f64 {
        let total = self.count();
        let rank = (fraction * total as f64).ceil() as u64;
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket.load(Relaxed);
            if total > 0 && seen >= rank {
                return RATIO.powi(index as i32) / 1e3;
            }
        }
        0.0
    }

    /// The mean in ms; 0 without any.
    pub(crate) fn mean_ms(&self) -> f64 {
        let count = self.count();
        if count == 0 { 0.0 } else { self.sum_us.load(Relaxed) as f64 / count as f64 / 1e3 }
    }

    fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;
    use std::time::Duration;

    #[test]
    fn percentiles_are_within_a_bucket_of_the_truth() {
        let histogram = Histogram::default();
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        for (fraction, truth) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let measured = histogram.percentile_ms(fraction);
            assert!((truth..truth * 1.1).contains(&measured), "p{fraction}: {measured} for {truth}");
        }
        assert!((histogram.mean_ms() - 500.5).abs() < 0.01);
    }

    #[test]
    fn an_empty_histogram_and_extreme_durations_have_finite_answers() {
        let histogram = Histogram::default();
        assert!(
            histogram.percentile_ms(0.99).abs() < f64::EPSILON && histogram.mean_ms().abs() < f64::EPSILON
        );
        histogram.record(Duration::ZERO);
        histogram.record(Duration::from_secs(1 << 40));
        assert!(histogram.percentile_ms(0.99).is_finite());
    }
}

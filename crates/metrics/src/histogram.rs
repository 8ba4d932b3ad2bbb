use std::time::Duration;

/// Longest duration that is told apart, in ns: one hour.
const LONGEST: u64 = 3_600_000_000_000;
/// Buckets are at most 1/16 wide, and their middle stands for them: no duration is told more than 3.2 % wrong.
const DIGITS: u8 = 1;

/// Durations from 1 ns to an hour in about 600 buckets of nearly equal ratio; takes 5 KB, however many there are.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: hdrhistogram::Histogram<u64>,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "the bounds are constants, and right")]
        let buckets = hdrhistogram::Histogram::new_with_bounds(1, LONGEST, DIGITS)
            .expect("a histogram has valid bounds");
        Self { buckets, max_ns: 0 }
    }
}

impl Histogram {
    /// Counts a duration, `times` times.
    pub fn record(&mut self, duration: Duration, times: u64) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets.saturating_record_n(ns.max(1), times);
        self.max_ns = self.max_ns.max(ns);
    }

    /// What [`buckets`](Self::buckets) and [`max`](Self::max) said, once more.
    pub fn from_buckets(buckets: impl IntoIterator<Item = (u64, u64)>, max: Duration) -> Self {
        let mut histogram = Self::default();
        for (middle_ns, count) in buckets {
            histogram.record(Duration::from_nanos(middle_ns), count);
        }
        // The middle of a bucket may be more than the longest in it.
        histogram.max_ns = u64::try_from(max.as_nanos()).unwrap_or(u64::MAX);
        histogram
    }

    /// Counts everything that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (middle_ns, count) in other.buckets() {
            self.buckets.saturating_record_n(middle_ns, count);
        }
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// As if each duration had been counted so many times as often.
    #[must_use]
    pub fn times(&self, times: u64) -> Self {
        let buckets = self.buckets().map(|(middle_ns, count)| (middle_ns, count.saturating_mul(times)));
        Self::from_buckets(buckets, self.max())
    }

    /// The buckets in use, shortest first: their middle in ns, and how many durations are in them.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.buckets
            .iter_recorded()
            .map(|step| (self.buckets.median_equivalent(step.value_iterated_to()), step.count_at_value()))
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.len()
    }

    /// The longest of them, exactly.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// The duration that a share of them, 0 to 1, does not exceed; at most 3.2 % wrong.
    pub fn quantile(&self, share: f64) -> Duration {
        let bucket = self.buckets.value_at_quantile(share);
        Duration::from_nanos(self.buckets.median_equivalent(bucket).min(self.max_ns))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Histogram, LONGEST};

    #[test]
    fn what_counts_for_many_counts_as_many_and_stays_as_long() {
        let one = of(&[1_000, 2_000_000, 2_000_000]);
        let many = one.times(16);
        assert_eq!((many.count(), many.max()), (48, one.max()));
        assert_eq!(many.quantile(0.5), one.quantile(0.5));
    }

    fn of(durations: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for ns in durations {
            histogram.record(Duration::from_nanos(*ns), 1);
        }
        histogram
    }

    /// Of all magnitudes alike.
    fn durations() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(
            (0_u32..42, 0_u64..u64::MAX).prop_map(|(bits, any)| (any >> (63 - bits)).clamp(1, LONGEST)),
            0..300,
        )
    }

    proptest! {
        #[test]
        fn merged_quantiles_are_those_of_all_values_within_five_percent(parts in prop::collection::vec(durations(), 1..6)) {
            let mut merged = Histogram::default();
            for part in &parts {
                // By way of what is stored.
                let stored = of(part);
                merged.merge(&Histogram::from_buckets(stored.buckets(), stored.max()));
            }
            let mut all: Vec<u64> = parts.concat();
            all.sort_unstable();
            prop_assert_eq!(merged.count(), all.len() as u64);
            prop_assert_eq!(merged.max().as_nanos() as u64, all.last().copied().unwrap_or(0));
            for share in [0.5, 0.95, 0.99, 1.0] {
                let rank = (share * all.len() as f64).ceil().max(1.0) as usize;
                let Some(truth) = all.get(rank - 1) else { continue };
                let told = merged.quantile(share).as_nanos() as f64;
                let wrong = (told - *truth as f64).abs() / *truth as f64;
                prop_assert!(wrong <= 0.05, "{share}: {told} for {truth}");
            }
        }
    }

    #[test]
    fn what_is_extreme_or_missing_has_an_answer() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.count(), histogram.quantile(0.99)), (0, Duration::ZERO));
        histogram.record(Duration::ZERO, 1);
        histogram.record(Duration::MAX, 1);
        assert_eq!(histogram.count(), 2);
        let longest = histogram.quantile(1.0).as_secs_f64();
        assert!((3400.0..3800.0).contains(&longest), "{longest}");
    }
}

//! Histograms of durations, with Envoy's bucket bounds. One writer, as for counters.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets in milliseconds, inclusive; one more bucket takes what is longer.
pub const BOUNDS_MS: [f64; 19] = [
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 30000.0, 60000.0, 300000.0,
    600000.0, 1800000.0, 3600000.0,
];

/// The percentiles that are printed.
pub const QUANTILES: [f64; 10] = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0];

const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// Counts durations by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    /// Microseconds.
    sum: AtomicU64,
}

impl Histogram {
    #[inline]
    pub fn record(&self, value: Duration) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|&bound| bound < micros);
        bump(&self.buckets[bucket], 1);
        bump(&self.sum, micros);
    }

    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut snapshot = HistogramSnapshot::default();
        snapshot.add(self);
        snapshot
    }
}

#[inline]
fn bump(slot: &AtomicU64, amount: u64) {
    slot.store(slot.load(Relaxed).wrapping_add(amount), Relaxed);
}

/// What one or several histograms held at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistogramSnapshot {
    buckets: [u64; BUCKETS],
    sum_us: u64,
}

impl HistogramSnapshot {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum = sum.wrapping_add(bucket.load(Relaxed));
        }
        self.sum_us = self.sum_us.wrapping_add(histogram.sum.load(Relaxed));
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Sum of all values, in milliseconds.
    pub fn sum_ms(&self) -> f64 {
        self.sum_us as f64 / 1000.0
    }

    /// For each bound in milliseconds, how many values were at most that long.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        BOUNDS_MS.iter().zip(&self.buckets).scan(0, |sum, (&bound, &count)| {
            *sum += count;
            Some((bound, *sum))
        })
    }

    /// The value in milliseconds that `percent` of all values do not exceed, interpolated within its bucket.
    /// `None`: nothing was recorded.
    pub fn quantile(&self, percent: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = count as f64 * percent / 100.0;
        let (mut before, mut low) = (0.0, 0.0);
        let mut end = 0.0;
        for (at, &bucket) in self.buckets.iter().enumerate() {
            let high = BOUNDS_MS.get(at).copied().unwrap_or(low);
            if bucket > 0 {
                let inside = bucket as f64;
                if before + inside >= rank {
                    return Some(low + (high - low) * ((rank - before) / inside).max(0.0));
                }
                before += inside;
                end = high;
            }
            low = high;
        }
        Some(end)
    }
}

const BOUNDS_US: [u64; BOUNDS_MS.len()] = {
    let mut bounds = [0; BOUNDS_MS.len()];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = (BOUNDS_MS[at] * 1000.0) as u64;
        at += 1;
    }
    bounds
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_whose_bound_it_does_not_exceed() {
        let rows = [(0, 0), (500, 0), (501, 1), (1000, 1), (1001, 2), (10_000, 3), (3_600_000_000, 18)];
        for (micros, bucket) in rows {
            let histogram = Histogram::default();
            histogram.record(Duration::from_micros(micros));
            assert_eq!(histogram.snapshot().buckets.iter().position(|&count| count == 1), Some(bucket), "{micros}");
        }
        let histogram = Histogram::default();
        histogram.record(Duration::from_secs(4000));
        let snapshot = histogram.snapshot();
        assert_eq!((snapshot.buckets[19], snapshot.count(), snapshot.sum_ms()), (1, 1, 4_000_000.0));
        assert_eq!(snapshot.cumulative().last(), Some((3_600_000.0, 0)), "longer than every bound");
        assert_eq!(snapshot.quantile(50.0), Some(3_600_000.0), "no better answer than the last bound");
    }

    #[test]
    fn quantiles_interpolate() {
        let histogram = Histogram::default();
        assert_eq!(histogram.snapshot().quantile(50.0), None);
        for millis in [2, 3, 4, 5] {
            histogram.record(Duration::from_millis(millis));
        }
        let snapshot = histogram.snapshot();
        let quantiles: Vec<_> = [0.0, 25.0, 50.0, 100.0].map(|q| snapshot.quantile(q).unwrap()).into();
        assert_eq!(quantiles, [1.0, 2.0, 3.0, 5.0]);
        histogram.record(Duration::from_millis(200));
        assert_eq!(histogram.snapshot().quantile(100.0), Some(250.0));
        assert_eq!(histogram.snapshot().sum_ms(), 214.0);
    }
}

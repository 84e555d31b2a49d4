//! Counters and gauges. `Counter` and `Gauge` have one writer, the thread that owns their instance of the scope, so
//! an update needs no atomic read-modify-write. The `Shared` pair may be written by every thread.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Only goes up. One writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Goes up and down. One writer; the sum over all threads is the value, so a part may be negative.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    #[inline]
    pub fn dec(&self) {
        self.sub(1);
    }

    #[inline]
    pub fn add(&self, amount: i64) {
        self.set(self.get().wrapping_add(amount));
    }

    #[inline]
    pub fn sub(&self, amount: i64) {
        self.set(self.get().wrapping_sub(amount));
    }

    #[inline]
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A counter that all threads write.
#[derive(Debug, Default)]
pub struct SharedCounter(AtomicU64);

impl SharedCounter {
    pub fn inc(&self) {
        self.add(1);
    }

    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A gauge that all threads write.
#[derive(Debug, Default)]
pub struct SharedGauge(AtomicI64);

impl SharedGauge {
    pub fn inc(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub fn dec(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_gauges_count() {
        let counter = Counter::default();
        counter.inc();
        counter.add(41);
        assert_eq!(counter.get(), 42);

        let gauge = Gauge::default();
        gauge.inc();
        gauge.dec();
        gauge.dec();
        gauge.add(10);
        gauge.sub(20);
        assert_eq!(gauge.get(), -11, "a part may be negative");
        gauge.set(7);
        assert_eq!(gauge.get(), 7);
    }

    #[test]
    fn shared_ones_lose_nothing() {
        let (counter, gauge) = (SharedCounter::default(), SharedGauge::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        counter.inc();
                        gauge.inc();
                        gauge.inc();
                        gauge.dec();
                    }
                });
            }
        });
        assert_eq!((counter.get(), gauge.get()), (40_000, 40_000));
    }
}

//! How fast a cluster answers of late, and how many requests may be sent twice for it: one worker's view. Sans-IO.

use std::time::Duration;

use crate::config::{Race, RaceAfter};

/// Steps of the scale for each doubling of time.
const STEPS: u32 = 8;
/// Times from some 16 us to 4 minutes.
const FIRST: u32 = 14;
const BUCKETS: usize = 24 * STEPS as usize;
/// Answers that must have been seen before anything is said of them.
const LEAST: u32 = 100;
/// Answers after which the older ones count half.
const WINDOW: u32 = 2000;
/// Requests sent twice that may be saved up.
const SAVED: f64 = 10.0;

/// Times of answers, the older the less they count, and what may be spent.
#[derive(Debug)]
pub struct Tempo {
    counts: [u16; BUCKETS],
    total: u32,
    /// In requests.
    budget: f64,
}

impl Default for Tempo {
    fn default() -> Tempo {
        Tempo { counts: [0; BUCKETS], total: 0, budget: 0.0 }
    }
}

impl Tempo {
    /// A host's head has come after this time.
    pub fn record(&mut self, took: Duration) {
        let count = &mut self.counts[bucket(took)];
        *count = count.saturating_add(1);
        self.total += 1;
        if self.total >= WINDOW {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().map(|count| u32::from(*count)).sum();
        }
    }

    /// A request has come in that may race: it pays for its share of a second one.
    pub fn earn(&mut self, race: &Race) {
        self.budget = (self.budget + race.budget_percent / 100.0).min(SAVED.max(race.budget_percent / 100.0));
    }

    /// Whether one more request may be sent twice. If so, it is paid for.
    pub fn try_spend(&mut self) -> bool {
        let may = self.budget >= 1.0;
        if may {
            self.budget -= 1.0;
        }
        may
    }

    /// How long an answer may take before another host is asked. `None`: that is not known yet.
    pub fn delay(&self, race: &Race) -> Option<Duration> {
        match race.after {
            RaceAfter::Time(time) => Some(time),
            RaceAfter::Percentile(percent) => self.percentile(percent),
        }
    }

    /// The time within which so many of a hundred answers came.
    fn percentile(&self, percent: u8) -> Option<Duration> {
        if self.total < LEAST {
            return None;
        }
        let within = (u64::from(self.total) * u64::from(percent)).div_ceil(100);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= within
        })?;
        Some(upper(at))
    }
}

/// A step of the scale: the power of two, and the eighth of it.
fn bucket(took: Duration) -> usize {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
    let power = nanos.ilog2();
    if power < FIRST {
        return 0;
    }
    let eighth = (nanos >> (power - STEPS.ilog2())) as u32 & (STEPS - 1);
    (((power - FIRST) * STEPS + eighth) as usize).min(BUCKETS - 1)
}

/// The longest time of a step.
fn upper(bucket: usize) -> Duration {
    let (power, eighth) = (FIRST + bucket as u32 / STEPS, bucket as u64 % u64::from(STEPS));
    Duration::from_nanos((1 << power) + ((eighth + 1) << (power - STEPS.ilog2())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn race(after: RaceAfter) -> Race {
        Race { after, budget_percent: 10.0, ..Race::default() }
    }

    #[test]
    fn the_percentile_is_near_and_follows_change() {
        let (seed, mut pace) = (11, Tempo::default());
        let mut rng = fastrand::Rng::with_seed(seed);
        let race = race(RaceAfter::Percentile(95));
        assert_eq!(pace.delay(&race), None, "nothing is known");
        for (fast, slow) in [(1_000, 2_000), (10_000, 20_000), (1_000, 2_000)] {
            for _ in 0..20_000 {
                pace.record(Duration::from_micros(rng.u64(fast..slow)));
            }
            let found = pace.delay(&race).unwrap().as_micros() as f64;
            let expected = fast as f64 + 0.95 * (slow - fast) as f64;
            assert!((found / expected - 1.0).abs() < 0.13, "{found} for {expected}, seed {seed}");
        }
    }

    #[test]
    fn any_time_has_its_place() {
        for nanos in [0, 1, 1 << 14, 20_000, 1 << 20, 1 << 37, 1 << 38, u64::MAX] {
            let took = Duration::from_nanos(nanos);
            let longest = upper(bucket(took));
            assert!(longest >= took || bucket(took) == BUCKETS - 1, "{took:?}: {longest:?}");
        }
    }

    #[test]
    fn no_more_is_spent_than_the_share() {
        let (mut pace, race) = (Tempo::default(), race(RaceAfter::Time(Duration::ZERO)));
        let spent = (0..10_000).filter(|_| {
            pace.earn(&race);
            pace.try_spend()
        });
        let spent = spent.count();
        assert!((990..=1000).contains(&spent), "{spent}");
        (0..10_000).for_each(|_| pace.earn(&race));
        let burst = (0..100).filter(|_| pace.try_spend()).count();
        assert_eq!(burst, SAVED as usize);
    }
}

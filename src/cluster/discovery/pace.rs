//! When a name is asked for again: row D-7 of what may be done to a resolver, and patience with servers that fail.

use std::time::{Duration, Instant};

use nuncio_dns::Outcome;

use crate::config::Dns;

/// The shortest pause, whatever is configured.
const LEAST: Duration = Duration::from_millis(10);
/// Most doublings of `failure_refresh`: the pause is capped before.
const MAX_DOUBLINGS: u32 = 4;
/// `failure_refresh` grows up to so many times itself.
const MAX_BACK_OFF: u32 = 10;

/// The pace of one name.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Rounds in a row in which something failed.
    failures: u32,
    /// The shortest pause that an answer of this round asks for.
    pause: Option<Duration>,
    failed: bool,
}

impl Pace {
    /// One answer of this round.
    pub(super) fn hear(&mut self, dns: &Dns, outcome: &Outcome) {
        let respected = |ttl: Duration| if dns.respect_ttl { ttl } else { dns.refresh };
        let pause = match outcome {
            Outcome::Answer { ttl, .. } => respected((*ttl).clamp(dns.min_ttl, dns.max_ttl)),
            Outcome::NoData { ttl } | Outcome::NxDomain { ttl } => {
                let ttl = ttl.map_or(dns.refresh, |ttl| respected(ttl.max(dns.min_ttl)));
                ttl.min(dns.max_negative_ttl)
            }
            Outcome::Failed(_) => return self.failed = true,
        };
        self.pause = Some(self.pause.map_or(pause, |other| other.min(pause)));
    }

    /// An answer that cannot be used.
    pub(super) fn hear_failure(&mut self) {
        self.failed = true;
    }

    /// Ends the round: until the next one. `held_until`: something is to be heard again then.
    pub(super) fn end_round(
        &mut self,
        now: Instant,
        dns: &Dns,
        held_until: Option<Instant>,
        rng: &mut fastrand::Rng,
    ) -> Duration {
        let mut pause = self.pause.take().unwrap_or(Duration::MAX);
        if std::mem::take(&mut self.failed) {
            let factor = 1u32 << self.failures.min(MAX_DOUBLINGS);
            self.failures = self.failures.saturating_add(1);
            pause = pause.min(dns.failure_refresh.saturating_mul(factor.min(MAX_BACK_OFF)));
        } else {
            self.failures = 0;
        }
        if pause == Duration::MAX {
            // Nothing was asked.
            pause = dns.refresh;
        }
        if let Some(until) = held_until {
            pause = pause.min(until.saturating_duration_since(now));
        }
        pause = pause.max(LEAST);
        pause + pause.mul_f64(rng.f64() * dns.jitter_percent / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::control;
    use nuncio_dns::{Failure, Records};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn answer(ttl: u64) -> Outcome {
        Outcome::Answer { records: Records::Addresses(Vec::new()), ttl: seconds(ttl) }
    }

    fn steady() -> Dns {
        Dns { jitter_percent: 0.0, ..Dns::default() }
    }

    const FAILED: Outcome = Outcome::Failed(Failure::Timeout);

    #[test]
    fn pauses() {
        let nothing = |ttl: Option<u64>| Outcome::NoData { ttl: ttl.map(seconds) };
        let fixed = Dns { respect_ttl: false, refresh: seconds(7), ..steady() };
        for (dns, outcomes, expected) in [
            (steady(), vec![answer(60)], 60),
            (steady(), vec![answer(60), answer(20)], 20),
            (steady(), vec![answer(0)], 5),
            (steady(), vec![answer(1_000_000)], 3600),
            (steady(), vec![answer(60), nothing(Some(300))], 30),
            (steady(), vec![nothing(Some(1))], 5),
            (steady(), vec![nothing(None)], 5),
            (steady(), vec![answer(60), FAILED], 1),
            (fixed.clone(), vec![answer(60)], 7),
            (fixed, vec![nothing(Some(60))], 7),
        ] {
            let mut pace = Pace::default();
            outcomes.iter().for_each(|outcome| pace.hear(&dns, outcome));
            let pause = pace.end_round(control::now(), &dns, None, &mut fastrand::Rng::new());
            assert_eq!(pause, seconds(expected), "{outcomes:?}");
        }
    }

    #[test]
    fn failures_are_asked_about_less_and_less() {
        let (dns, now) = (steady(), control::now());
        let mut pace = Pace::default();
        let mut round = |outcome: &Outcome| {
            pace.hear(&dns, outcome);
            pace.end_round(now, &dns, None, &mut fastrand::Rng::new()).as_secs()
        };
        let pauses: Vec<u64> = (0..6).map(|_| round(&FAILED)).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        assert_eq!((round(&answer(60)), round(&FAILED)), (60, 1));
    }

    #[test]
    fn what_is_held_is_asked_for_when_it_may_go() {
        let (dns, now) = (steady(), control::now());
        let mut pace = Pace::default();
        pace.hear(&dns, &Outcome::NxDomain { ttl: Some(seconds(30)) });
        let rng = &mut fastrand::Rng::new();
        assert_eq!(pace.end_round(now, &dns, Some(now + seconds(12)), rng), seconds(12));
        assert_eq!(pace.end_round(now, &dns, Some(now), rng), LEAST, "it has been time for a while");
    }

    #[test]
    fn jitter_only_lengthens() {
        let seed = fastrand::u64(..);
        let (mut rng, dns, now) = (fastrand::Rng::with_seed(seed), Dns::default(), control::now());
        let mut pace = Pace::default();
        let pauses: Vec<Duration> = (0..200)
            .map(|_| {
                pace.hear(&dns, &answer(100));
                pace.end_round(now, &dns, None, &mut rng)
            })
            .collect();
        assert!(pauses.iter().all(|it| (seconds(100)..=seconds(110)).contains(it)), "seed {seed}: {pauses:?}");
        assert!(pauses.iter().max() > pauses.iter().min(), "seed {seed}");
    }
}

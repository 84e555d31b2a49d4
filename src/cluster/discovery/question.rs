//! One question to DNS, asked again and again: what is known by it, and when it is due. Sans-IO.
//!
//! ```text
//!   records         --> they are what is known, at once
//!   no such records --> what is known stays for `hold` after this was first said, and goes then if it is still said
//!   a failure       --> what is known stays
//! ```

use std::time::{Duration, Instant};

use crate::config::Dns;

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said<T> {
    /// At least one record, and how long they hold.
    Records(Vec<T>, Duration),
    /// There are none, and how long that holds, if it was said.
    Nothing(Option<Duration>),
    Failed,
}

/// The answer before the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// There was none yet.
    Never,
    Records,
    Nothing,
    Failed,
}

/// Failures after which the pause is not doubled any more.
const DOUBLED: u32 = 4;
/// The longest pause after failures, against the first.
const LONGEST: u32 = 10;

#[derive(Debug)]
pub(super) struct Question<T> {
    records: Vec<T>,
    last: Last,
    /// Since when it is said that there are no records, while some are known.
    gone_since: Option<Instant>,
    /// When to ask. `None`: it is being asked.
    due: Option<Instant>,
    /// In a row.
    failures: u32,
}

impl<T> Question<T> {
    /// Due at once. `records`: what was known before.
    pub(super) fn new(records: Vec<T>, now: Instant) -> Question<T> {
        Question { records, last: Last::Never, gone_since: None, due: Some(now), failures: 0 }
    }

    pub(super) fn records(&self) -> &[T] {
        &self.records
    }

    pub(super) fn last(&self) -> Last {
        self.last
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// It is being asked now.
    pub(super) fn begin(&mut self) {
        self.due = None;
    }

    /// An answer. `sure`: nothing speaks against it if it says that there are no records.
    pub(super) fn handle(&mut self, said: Said<T>, sure: bool, dns: &Dns, now: Instant, rng: &mut fastrand::Rng) {
        self.failures = if matches!(said, Said::Failed) { self.failures.saturating_add(1) } else { 0 };
        let pause = match said {
            Said::Records(records, ttl) => {
                self.records = records;
                self.gone_since = None;
                self.last = Last::Records;
                if dns.respect_ttl { ttl.clamp(dns.min_ttl, dns.max_ttl.max(dns.min_ttl)) } else { dns.refresh }
            }
            Said::Nothing(ttl) => {
                self.last = Last::Nothing;
                if sure && !self.records.is_empty() {
                    let since = *self.gone_since.get_or_insert(now);
                    if now.saturating_duration_since(since) >= dns.hold {
                        self.records.clear();
                        self.gone_since = None;
                    }
                }
                match ttl.filter(|_| dns.respect_ttl) {
                    Some(ttl) => ttl.max(dns.min_ttl).min(dns.max_negative_ttl),
                    None => dns.refresh,
                }
            }
            Said::Failed => {
                self.last = Last::Failed;
                let doubled = 1 << self.failures.saturating_sub(1).min(DOUBLED);
                dns.failure_refresh.saturating_mul(LONGEST.min(doubled))
            }
        };
        let jittered = pause.mul_f64(1.0 + rng.f64() * dns.jitter_percent / 100.0);
        // What is held is asked for once more when that is over.
        let held = self.gone_since.map(|since| (since + dns.hold).saturating_duration_since(now));
        let pause = held.filter(|held| !held.is_zero()).map_or(jittered, |held| held.min(jittered));
        self.due = Some(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::control;

    const SECOND: Duration = Duration::from_secs(1);

    /// A question and its clock.
    struct Asked(Question<u8>, Instant, Dns, fastrand::Rng);

    impl Asked {
        fn new(dns: Dns) -> Asked {
            let now = control::now();
            Asked(Question::new(Vec::new(), now), now, dns, fastrand::Rng::with_seed(7))
        }

        /// Asks when it is due; says how long that took.
        fn answer(&mut self, said: Said<u8>, sure: bool) -> Duration {
            let due = self.0.due().unwrap();
            let waited = due - self.1;
            self.1 = due;
            assert!(self.0.is_due(due));
            self.0.begin();
            assert!(!self.0.is_due(due) && self.0.due().is_none());
            self.0.handle(said, sure, &self.2, due, &mut self.3);
            waited
        }
    }

    fn exact() -> Dns {
        Dns { jitter_percent: 0.0, ..Dns::default() }
    }

    fn records(records: &[u8], ttl: u64) -> Said<u8> {
        Said::Records(records.to_vec(), Duration::from_secs(ttl))
    }

    #[test]
    fn a_ttl_has_a_floor_and_a_ceiling() {
        let mut asked = Asked::new(exact());
        assert_eq!(asked.answer(records(&[1], 0), true), Duration::ZERO);
        for (ttl, pause) in [(1, 5), (7, 7), (86_400, 3600), (5, 3600)] {
            let waited = asked.answer(records(&[1], ttl), true);
            if ttl != 1 {
                assert!(waited >= 5 * SECOND && waited <= 3600 * SECOND, "{waited:?}");
            }
            let due = asked.0.due().unwrap() - asked.1;
            assert_eq!(due, Duration::from_secs(if ttl == 5 { 5 } else { pause }), "{ttl}");
        }
        asked.2.respect_ttl = false;
        asked.answer(records(&[1], 700), true);
        assert_eq!(asked.answer(Said::Nothing(None), true), 5 * SECOND);
    }

    #[test]
    fn failures_change_nothing_and_are_asked_again_soon_then_less_often() {
        let mut asked = Asked::new(exact());
        asked.answer(records(&[1, 2], 60), true);
        asked.answer(Said::Failed, true);
        let pauses: Vec<u64> = (0..6).map(|_| asked.answer(Said::Failed, true).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        assert_eq!((asked.0.records(), asked.0.last()), (&[1, 2][..], Last::Failed));
        asked.answer(records(&[3], 60), true);
        asked.answer(Said::Failed, true);
        assert_eq!(asked.answer(Said::Failed, true), SECOND, "counted from the start again");
    }

    #[test]
    fn what_is_gone_goes_after_it_was_said_for_so_long() {
        let mut asked = Asked::new(exact());
        asked.answer(records(&[1], 60), true);
        asked.answer(Said::Nothing(Some(20 * SECOND)), true);
        let first = asked.1;
        assert_eq!(asked.answer(Said::Nothing(Some(20 * SECOND)), true), 20 * SECOND);
        assert_eq!(asked.0.records(), [1], "held");
        assert_eq!(asked.answer(Said::Failed, true), 10 * SECOND, "asked when the hold is over");
        assert_eq!(asked.0.records(), [1], "but a failure says nothing");
        asked.answer(Said::Nothing(None), false);
        assert_eq!(asked.0.records(), [1], "and this was not sure");
        asked.answer(Said::Nothing(None), true);
        assert!(asked.0.records().is_empty() && asked.1 - first > asked.2.hold);
    }

    #[test]
    fn what_comes_back_is_not_held_against_it() {
        let mut asked = Asked::new(exact());
        for _ in 0..10 {
            asked.answer(records(&[1], 60), true);
            asked.answer(Said::Nothing(Some(20 * SECOND)), true);
            asked.answer(Said::Nothing(Some(20 * SECOND)), true);
            assert_eq!(asked.0.records(), [1]);
        }
        asked.2.hold = Duration::ZERO;
        asked.answer(Said::Nothing(None), true);
        assert!(asked.0.records().is_empty(), "at once, where nothing is held");
    }

    #[test]
    fn jitter_only_makes_pauses_longer() {
        let seed = fastrand::u64(..);
        let mut asked = Asked::new(Dns { jitter_percent: 10.0, ..Dns::default() });
        asked.3 = fastrand::Rng::with_seed(seed);
        asked.answer(records(&[1], 100), true);
        let pauses: Vec<Duration> = (0..200).map(|_| asked.answer(records(&[1], 100), true)).collect();
        let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(*least >= 100 * SECOND && *most <= 110 * SECOND, "seed {seed}");
        assert!(*least < 102 * SECOND && *most > 108 * SECOND, "seed {seed}: {least:?} {most:?}");
    }
}

//! What workers note of a host: a handful of relaxed atomics a response, and nothing but that. The control thread takes the
//! numbers and decides.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::config::OutlierDetection;

/// Of one host, since the last sweep or in a row.
#[derive(Debug, Default)]
pub struct Counters {
    row_5xx: AtomicU32,
    row_gateway: AtomicU32,
    row_local: AtomicU32,
    /// A set of [`Suspicion`]s that the control thread has not looked at.
    suspicions: AtomicU32,
    answers: Tally,
    /// Tries, by whether they came to an answer at all.
    local: Tally,
    times: Times,
    check_passed: AtomicBool,
}

/// Something, and how much of it failed.
#[derive(Debug, Default)]
struct Tally {
    total: AtomicU32,
    failed: AtomicU32,
}

/// Times to a response head, in microseconds.
#[derive(Debug, Default)]
struct Times {
    count: AtomicU32,
    sum: AtomicU64,
    longest: AtomicU64,
}

/// What became of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A final response with this status, or for gRPC the HTTP status that its own stands for.
    Status(u16),
    /// No connection.
    ConnectFailed,
    /// No response in time.
    TimedOut,
    /// The connection or the stream broke.
    Reset,
    /// A response head has come after this time; beside its `Status`.
    Answered(Duration),
}

/// What a worker does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    Fine,
    /// The control thread has to look.
    Suspect,
}

/// So many failures in a row that the host may be ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    Consecutive5xx = 1 << 0,
    ConsecutiveGatewayFailure = 1 << 1,
    ConsecutiveLocalOriginFailure = 1 << 2,
}

impl Suspicion {
    pub(super) const ALL: [Suspicion; 3] =
        [Suspicion::Consecutive5xx, Suspicion::ConsecutiveGatewayFailure, Suspicion::ConsecutiveLocalOriginFailure];
}

/// The numbers of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sample {
    pub(super) answers: Share,
    pub(super) local: Share,
    pub(super) answered: u32,
    /// Mean time to a response head, the longest one left out: one long poll makes no host slow.
    pub(super) mean: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Share {
    pub(super) total: u32,
    failed: u32,
}

impl Share {
    /// In percent.
    pub(super) fn success_rate(self) -> f64 {
        100.0 - 100.0 * f64::from(self.failed) / f64::from(self.total.max(1))
    }
}

impl Tally {
    fn add(&self, failed: bool) {
        self.total.fetch_add(1, Relaxed);
        if failed {
            self.failed.fetch_add(1, Relaxed);
        }
    }

    fn take(&self) -> Share {
        let failed = self.failed.swap(0, Relaxed);
        // A worker may be between its two additions.
        let total = self.total.swap(0, Relaxed);
        Share { total, failed: failed.min(total) }
    }
}

impl Counters {
    /// A worker has seen the end of a try.
    pub fn on_result(&self, config: &OutlierDetection, outcome: Outcome) -> Verdict {
        let split = config.split_external_local_origin_errors;
        match outcome {
            Outcome::Answered(after) => {
                if config.latency.is_some() {
                    self.times.add(after);
                }
                Verdict::Fine
            }
            Outcome::Status(status) => {
                if split {
                    self.local.add(false);
                    reset(&self.row_local);
                }
                self.on_status(config, status)
            }
            Outcome::ConnectFailed | Outcome::TimedOut | Outcome::Reset if split => {
                self.local.add(true);
                let most = config.consecutive_local_origin_failure;
                self.one_more(&self.row_local, most, Suspicion::ConsecutiveLocalOriginFailure)
            }
            Outcome::TimedOut => self.on_status(config, 504),
            Outcome::ConnectFailed | Outcome::Reset => self.on_status(config, 503),
        }
    }

    fn on_status(&self, config: &OutlierDetection, status: u16) -> Verdict {
        let (failed, gateway) = (status >= 500, matches!(status, 502..=504));
        self.answers.add(failed);
        let gateway = if gateway {
            let most = config.consecutive_gateway_failure;
            self.one_more(&self.row_gateway, most, Suspicion::ConsecutiveGatewayFailure)
        } else {
            reset(&self.row_gateway);
            Verdict::Fine
        };
        if !failed {
            reset(&self.row_5xx);
            return Verdict::Fine;
        }
        let any = self.one_more(&self.row_5xx, config.consecutive_5xx, Suspicion::Consecutive5xx);
        if gateway == Verdict::Suspect { gateway } else { any }
    }

    /// One more failure in a row. Only the first that is too many calls the control thread.
    fn one_more(&self, row: &AtomicU32, most: u32, suspicion: Suspicion) -> Verdict {
        let bit = suspicion as u32;
        if row.fetch_add(1, Relaxed) < most.saturating_sub(1) || self.suspicions.fetch_or(bit, Relaxed) & bit != 0 {
            return Verdict::Fine;
        }
        Verdict::Suspect
    }

    /// An active check has found the host healthy.
    pub fn on_check_passed(&self) {
        self.check_passed.store(true, Relaxed);
    }

    pub(super) fn take_check_passed(&self) -> bool {
        self.check_passed.load(Relaxed) && self.check_passed.swap(false, Relaxed)
    }

    /// What has made the host suspect; its failures are counted from zero again.
    pub(super) fn take_suspicions(&self) -> impl Iterator<Item = Suspicion> + use<> {
        let taken = if self.suspicions.load(Relaxed) == 0 { 0 } else { self.suspicions.swap(0, Relaxed) };
        for (suspicion, row) in Suspicion::ALL.into_iter().zip([&self.row_5xx, &self.row_gateway, &self.row_local]) {
            if taken & suspicion as u32 != 0 {
                reset(row);
            }
        }
        Suspicion::ALL.into_iter().filter(move |suspicion| taken & *suspicion as u32 != 0)
    }

    /// The host comes back with a clean slate.
    pub(super) fn clear(&self) {
        [&self.row_5xx, &self.row_gateway, &self.row_local].into_iter().for_each(reset);
        self.suspicions.store(0, Relaxed);
        self.take_sample();
    }

    /// The numbers since the last sample.
    pub(super) fn take_sample(&self) -> Sample {
        let (answered, mean) = self.times.take();
        Sample { answers: self.answers.take(), local: self.local.take(), answered, mean }
    }
}

impl Times {
    fn add(&self, after: Duration) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX).min(1 << 32);
        self.count.fetch_add(1, Relaxed);
        self.sum.fetch_add(micros, Relaxed);
        // Most are not the longest: they write nothing.
        if self.longest.load(Relaxed) < micros {
            self.longest.fetch_max(micros, Relaxed);
        }
    }

    /// How many, and their mean without the longest.
    fn take(&self) -> (u32, Duration) {
        let (count, longest) = (self.count.swap(0, Relaxed), self.longest.swap(0, Relaxed));
        let sum = self.sum.swap(0, Relaxed).saturating_sub(longest);
        (count, Duration::from_micros(sum / u64::from(count.saturating_sub(1).max(1))))
    }
}

/// A host that does well writes nothing.
fn reset(row: &AtomicU32) {
    if row.load(Relaxed) != 0 {
        row.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OutlierLatency;

    const OK: Outcome = Outcome::Status(200);
    const BAD: Outcome = Outcome::Status(500);
    const GATEWAY: Outcome = Outcome::Status(503);

    fn suspicions(config: &OutlierDetection, outcomes: &[Outcome]) -> (usize, Vec<Suspicion>) {
        let counters = Counters::default();
        let calls = outcomes.iter().filter(|it| counters.on_result(config, **it) == Verdict::Suspect).count();
        let taken = counters.take_suspicions().collect();
        assert_eq!(counters.take_suspicions().count(), 0, "they are taken once");
        (calls, taken)
    }

    #[test]
    fn failures_in_a_row_make_a_host_suspect() {
        use Suspicion::{Consecutive5xx, ConsecutiveGatewayFailure, ConsecutiveLocalOriginFailure};
        let mut config = OutlierDetection { consecutive_5xx: 3, consecutive_gateway_failure: 2, ..Default::default() };
        let rows = [
            (&[BAD, BAD][..], 0, &[][..]),
            (&[BAD, BAD, BAD], 1, &[Consecutive5xx]),
            (&[BAD, BAD, OK, BAD], 0, &[]),
            (&[BAD; 9], 1, &[Consecutive5xx]),
            (&[GATEWAY, GATEWAY], 1, &[ConsecutiveGatewayFailure]),
            (&[GATEWAY, BAD, GATEWAY], 1, &[Consecutive5xx]),
            (&[GATEWAY, GATEWAY, GATEWAY], 2, &[Consecutive5xx, ConsecutiveGatewayFailure]),
            (&[Outcome::ConnectFailed, Outcome::TimedOut], 1, &[ConsecutiveGatewayFailure]),
            (&[Outcome::Reset, Outcome::Reset], 1, &[ConsecutiveGatewayFailure]),
            (&[BAD, Outcome::Answered(Duration::ZERO), BAD, BAD], 1, &[Consecutive5xx]),
            (&[Outcome::Status(404); 9], 0, &[]),
        ];
        for (outcomes, calls, expected) in rows {
            assert_eq!(suspicions(&config, outcomes), (calls, expected.to_vec()), "{outcomes:?}");
        }
        config.split_external_local_origin_errors = true;
        config.consecutive_local_origin_failure = 2;
        let rows = [
            (&[Outcome::ConnectFailed, Outcome::Reset][..], 1, &[ConsecutiveLocalOriginFailure][..]),
            (&[Outcome::TimedOut, BAD, Outcome::TimedOut, BAD], 0, &[]),
            (&[BAD, Outcome::TimedOut, BAD, Outcome::Reset, BAD], 1, &[Consecutive5xx]),
        ];
        for (outcomes, calls, expected) in rows {
            assert_eq!(suspicions(&config, outcomes), (calls, expected.to_vec()), "split: {outcomes:?}");
        }
    }

    #[test]
    fn a_sample_is_what_came_since_the_last() {
        let config = OutlierDetection { latency: Some(OutlierLatency::default()), ..Default::default() };
        let counters = Counters::default();
        for (status, millis) in [(200, 10), (500, 20), (200, 30), (200, 60_000)] {
            let _ = counters.on_result(&config, Outcome::Status(status));
            let _ = counters.on_result(&config, Outcome::Answered(Duration::from_millis(millis)));
        }
        let sample = counters.take_sample();
        assert_eq!((sample.answers.total, sample.answers.success_rate()), (4, 75.0));
        assert_eq!((sample.answered, sample.mean), (4, Duration::from_millis(20)), "without the longest");
        assert_eq!(counters.take_sample(), Sample::default());
        assert_eq!(Share::default().success_rate(), 100.0);
        let _ = counters.on_result(&config, Outcome::Answered(Duration::MAX));
        assert_eq!(counters.take_sample().mean, Duration::ZERO, "one alone says nothing");
    }
}

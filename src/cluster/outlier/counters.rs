//! What workers count of one host: relaxed atomics and no lock, because every request passes here.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Cause;
use crate::config::OutlierDetection;

/// What came of one request to a host, or of connecting to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has answered with this HTTP status, or with a gRPC status that says the same.
    Status(u16),
    /// A connection for bytes was made.
    Connected,
    /// There is no connection to it.
    ConnectFailed,
    /// It has reset the stream, or closed the connection, before its answer was whole.
    Reset,
    /// It has not answered in time.
    Timeout,
    /// The head of its answer took so long, or is not here after so long.
    Latency(Duration),
}

/// What a worker makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    Fine,
    /// The control thread has to look at the host.
    Suspect,
}

/// The outcomes of one host's requests, and its ejections.
#[derive(Debug, Default)]
pub struct Counters {
    consecutive_5xx: AtomicU32,
    consecutive_gateway_failure: AtomicU32,
    consecutive_local_origin_failure: AtomicU32,
    /// Bits of causes that workers have found and the control thread has not looked at.
    suspected: AtomicU32,
    external: Tallying,
    local: Tallying,
    /// Sum and number of the logarithms of response times.
    latency: AtomicU64,
    latencies: AtomicU32,
    /// An active check went well while it was ejected.
    check_passed: AtomicBool,
    /// Of the last interval, in hundredths of a percent and one more; 0: unknown.
    success_rate: AtomicU32,
    /// Stays with the host when its cluster is built anew. A lock for `Sync` only: the control thread alone looks at it.
    ejection: Mutex<Ejection>,
}

/// What the control thread remembers of a host's ejections.
#[derive(Debug, Default)]
pub(super) struct Ejection {
    /// It returns then.
    pub(super) until: Option<Instant>,
    /// When it was ejected or returned last.
    pub(super) changed: Option<Instant>,
    /// `base_ejection_time` times this was the last ejection; healthy intervals bring it back to 0.
    pub(super) multiplier: u32,
    /// All that there were.
    pub(super) count: u64,
}

/// Requests in the upper half, failures in the lower, so that one addition counts both.
#[derive(Debug, Default)]
struct Tallying(AtomicU64);

/// Requests of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) total: u32,
    pub(super) failed: u32,
}

impl Tally {
    /// Percent; 100 if there was none.
    pub(super) fn success_rate(self) -> f64 {
        if self.total == 0 {
            return 100.0;
        }
        100.0 * f64::from(self.total.saturating_sub(self.failed)) / f64::from(self.total)
    }
}

impl Tallying {
    fn count(&self, failed: bool) {
        self.0.fetch_add(1 << 32 | u64::from(failed), Relaxed);
    }

    /// What was counted since the last time.
    fn take(&self) -> Tally {
        let both = self.0.swap(0, Relaxed);
        // Both halves fit.
        let half = |bits: u64| u32::try_from(bits).unwrap_or(u32::MAX);
        Tally { total: half(both >> 32), failed: half(both & u64::from(u32::MAX)) }
    }
}

/// What came of a host's requests in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Interval {
    pub(super) external: Tally,
    pub(super) local: Tally,
    /// Response times.
    pub(super) answers: u32,
    /// Their geometric mean: one answer that took for ever does not change it much.
    pub(super) typical: Duration,
}

impl Counters {
    /// Something has come of a request. For workers.
    pub fn on_result(&self, settings: &OutlierDetection, outcome: Outcome) -> Verdict {
        let split = settings.split_external_local_origin_errors;
        match outcome {
            Outcome::Latency(took) => {
                if settings.latency.is_some() {
                    self.latency.fetch_add(logarithm(took), Relaxed);
                    self.latencies.fetch_add(1, Relaxed);
                }
                Verdict::Fine
            }
            Outcome::Status(status) => {
                if split {
                    // An answer never makes it suspect.
                    let _ = self.on_local(settings, false);
                }
                self.on_status(settings, status)
            }
            Outcome::Connected | Outcome::ConnectFailed | Outcome::Reset | Outcome::Timeout if split => {
                self.on_local(settings, outcome != Outcome::Connected)
            }
            // As Envoy maps them.
            Outcome::Connected => self.on_status(settings, 200),
            Outcome::ConnectFailed | Outcome::Reset => self.on_status(settings, 503),
            Outcome::Timeout => self.on_status(settings, 504),
        }
    }

    fn on_status(&self, settings: &OutlierDetection, status: u16) -> Verdict {
        let failed = (500..600).contains(&status);
        self.external.count(failed);
        if !failed {
            clear(&self.consecutive_5xx);
            clear(&self.consecutive_gateway_failure);
            return Verdict::Fine;
        }
        let mut verdict = Verdict::Fine;
        if !(502..=504).contains(&status) {
            clear(&self.consecutive_gateway_failure);
        } else if count(&self.consecutive_gateway_failure, settings.consecutive_gateway_failure) {
            verdict = self.suspect(Cause::ConsecutiveGatewayFailure);
        }
        if count(&self.consecutive_5xx, settings.consecutive_5xx) && self.suspect(Cause::Consecutive5xx) != verdict {
            verdict = Verdict::Suspect;
        }
        verdict
    }

    fn on_local(&self, settings: &OutlierDetection, failed: bool) -> Verdict {
        self.local.count(failed);
        if !failed {
            clear(&self.consecutive_local_origin_failure);
        } else if count(&self.consecutive_local_origin_failure, settings.consecutive_local_origin_failure) {
            return self.suspect(Cause::ConsecutiveLocalOriginFailure);
        }
        Verdict::Fine
    }

    /// Only the first who finds it tells.
    fn suspect(&self, cause: Cause) -> Verdict {
        let bit = cause.bit();
        if self.suspected.load(Relaxed) & bit != 0 || self.suspected.fetch_or(bit, Relaxed) & bit != 0 {
            return Verdict::Fine;
        }
        Verdict::Suspect
    }

    /// Percent of the requests of the last interval that succeeded. `None`: there were too few.
    pub fn success_rate(&self) -> Option<f64> {
        let rate = self.success_rate.load(Relaxed).checked_sub(1)?;
        Some(f64::from(rate) / 100.0)
    }

    /// An active check went well: an ejection ends, at the control thread's next look.
    pub(super) fn on_check_passed(&self) {
        self.check_passed.store(true, Relaxed);
    }

    pub(super) fn take_check_passed(&self) -> bool {
        self.check_passed.load(Relaxed) && self.check_passed.swap(false, Relaxed)
    }

    pub(super) fn set_success_rate(&self, rate: Option<f64>) {
        let stored = rate.map_or(0, |rate| (rate.clamp(0.0, 100.0) * 100.0).round() as u32 + 1);
        self.success_rate.store(stored, Relaxed);
    }

    pub(super) fn is_suspected(&self, cause: Cause) -> bool {
        self.suspected.load(Relaxed) & cause.bit() != 0
    }

    /// Workers count to the threshold anew.
    pub(super) fn forget(&self, cause: Cause) {
        match cause {
            Cause::Consecutive5xx => clear(&self.consecutive_5xx),
            Cause::ConsecutiveGatewayFailure => clear(&self.consecutive_gateway_failure),
            Cause::ConsecutiveLocalOriginFailure => clear(&self.consecutive_local_origin_failure),
            _ => {}
        }
        self.suspected.fetch_and(!cause.bit(), Relaxed);
    }

    /// What was counted since the last time.
    pub(super) fn take(&self) -> Interval {
        let (answers, sum) = (self.latencies.swap(0, Relaxed), self.latency.swap(0, Relaxed));
        Interval {
            external: self.external.take(),
            local: self.local.take(),
            answers,
            typical: sum.checked_div(u64::from(answers)).map_or(Duration::ZERO, power),
        }
    }

    pub(super) fn ejection(&self) -> MutexGuard<'_, Ejection> {
        self.ejection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look first: a host that is fine is not written to by every request.
fn clear(counter: &AtomicU32) {
    if counter.load(Relaxed) != 0 {
        counter.store(0, Relaxed);
    }
}

/// Says whether that reaches the threshold.
fn count(counter: &AtomicU32, threshold: u32) -> bool {
    counter.fetch_add(1, Relaxed).saturating_add(1) >= threshold
}

/// Of microseconds, to base 2, in 256ths; straight lines between powers of two are near enough.
fn logarithm(took: Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).clamp(1, 1 << 40);
    let exponent = micros.ilog2();
    u64::from(exponent) << 8 | (micros << 8 >> exponent) & 0xff
}

/// The other way round.
fn power(logarithm: u64) -> Duration {
    let exponent = (logarithm >> 8).min(40);
    Duration::from_micros((0x100 | logarithm & 0xff) << exponent >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> OutlierDetection {
        OutlierDetection { consecutive_5xx: 3, consecutive_gateway_failure: 2, ..OutlierDetection::default() }
    }

    /// The outcomes at which a worker tells.
    fn told(settings: &OutlierDetection, outcomes: &[Outcome]) -> (Counters, Vec<usize>) {
        let counters = Counters::default();
        let told = outcomes.iter().enumerate();
        let told = told.filter(|(_, outcome)| counters.on_result(settings, **outcome) == Verdict::Suspect);
        let told = told.map(|(at, _)| at).collect();
        (counters, told)
    }

    #[test]
    fn failures_in_a_row_are_told_once() {
        use Outcome::{ConnectFailed, Connected, Reset, Status, Timeout};
        let rows: &[(&[Outcome], &[usize])] = &[
            (&[Status(500), Status(501), Status(599), Status(500)], &[2]),
            (&[Status(500), Status(500), Status(200), Status(500), Status(500)], &[]),
            (&[Status(500), Status(500), Status(404), Status(500), Status(500)], &[]),
            (&[Status(502), Status(504), Status(503), Status(503)], &[1, 2]),
            (&[Status(503), Status(500), Status(503)], &[2]),
            (&[ConnectFailed, Reset, Connected, Timeout, Timeout], &[1]),
        ];
        for (outcomes, at) in rows {
            assert_eq!(&told(&settings(), outcomes).1, at, "{outcomes:?}");
        }
    }

    #[test]
    fn what_is_no_status_is_split_off() {
        use Outcome::{ConnectFailed, Reset, Status, Timeout};
        let split = OutlierDetection {
            split_external_local_origin_errors: true,
            consecutive_local_origin_failure: 3,
            ..settings()
        };
        let (counters, at) = told(&split, &[ConnectFailed, Timeout, Status(500), Reset, Timeout, ConnectFailed]);
        assert_eq!(at, [5], "a status is no local failure, and resets no status");
        assert!(counters.is_suspected(Cause::ConsecutiveLocalOriginFailure));
        let interval = counters.take();
        assert_eq!(interval.external, Tally { total: 1, failed: 1 });
        assert_eq!(interval.local, Tally { total: 6, failed: 5 });
        assert_eq!(counters.take(), Interval::default());
    }

    #[test]
    fn the_control_thread_has_them_count_anew() {
        let (settings, counters) = (settings(), Counters::default());
        let fail = || counters.on_result(&settings, Outcome::Status(500)) == Verdict::Suspect;
        assert_eq!([fail(), fail(), fail(), fail()], [false, false, true, false]);
        counters.forget(Cause::Consecutive5xx);
        assert_eq!([fail(), fail(), fail()], [false, false, true]);
    }

    #[test]
    fn typical_times() {
        for micros in [1, 2, 3, 100, 1000, 1_234_567, 60_000_000] {
            let took = Duration::from_micros(micros);
            let back = power(logarithm(took)).as_secs_f64() / took.as_secs_f64();
            assert!((0.98..=1.0).contains(&back), "{took:?}: {back}");
        }
        let settings = OutlierDetection { latency: Some(Default::default()), ..settings() };
        let counters = Counters::default();
        for millis in [20; 19].into_iter().chain([10_000]) {
            let _ = counters.on_result(&settings, Outcome::Latency(Duration::from_millis(millis)));
        }
        let interval = counters.take();
        assert_eq!(interval.answers, 20);
        assert!(interval.typical < Duration::from_millis(30), "{:?}", interval.typical);
    }

    #[test]
    fn rates() {
        let counters = Counters::default();
        assert_eq!(counters.success_rate(), None);
        for rate in [0.0, 99.99, 100.0] {
            counters.set_success_rate(Some(rate));
            assert_eq!(counters.success_rate(), Some(rate));
        }
    }
}

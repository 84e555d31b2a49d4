//! All limits of time of one stream, behind one timer. A deadline is a field; the timer is set to the earliest when the
//! task goes to sleep, which is a store.

use std::time::{Duration, Instant};

use crate::config::Http;
use crate::error::Timeout;

/// The least rate of a request body is asked for after this time (row L-2).
const RATE_GRACE: Duration = Duration::from_secs(10);
/// A client that has closed its sending side gets this long to be answered before it counts as gone. A client that
/// went for good looks the same; one that only said "that was all" is usually answered within it.
const HALF_CLOSE_GRACE: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(super) struct Timeouts {
    /// `request_timeout`, until the request is here.
    request: Option<Instant>,
    /// The route's `timeout`, from the end of the request.
    route: Option<Instant>,
    max_duration: Option<Instant>,
    /// The client's own `grpc-timeout`. The route's `timeout` does not count beside it.
    grpc: Option<Instant>,
    idle: Option<Duration>,
    /// `stream_idle_timeout`, moved by every byte.
    idle_at: Option<Instant>,
    body_idle: Option<Duration>,
    body_idle_at: Option<Instant>,
    min_rate: u64,
    /// Time spent waiting for the request body began here, pauses of our own left out; for the least rate.
    body_start: Option<Instant>,
    paused_at: Option<Instant>,
    flush: Option<Duration>,
    flush_at: Option<Instant>,
    /// The client is taken for gone at this time.
    gone: Option<Instant>,
}

/// What passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    Timeout(Timeout),
    /// The client closed its sending side and was not answered in time.
    Gone,
}

impl Timeouts {
    pub(super) fn new(http: &Http, start: Instant) -> Timeouts {
        Timeouts {
            request: http.request_timeout.map(|limit| start + limit),
            max_duration: http.max_stream_duration.map(|limit| start + limit),
            idle: http.stream_idle_timeout,
            idle_at: http.stream_idle_timeout.map(|limit| start + limit),
            body_idle: http.request_body_idle_timeout,
            min_rate: http.request_body_min_rate,
            flush: http.stream_flush_timeout,
            ..Timeouts::default()
        }
    }

    /// The route's own `idle_timeout`.
    pub(super) fn set_idle(&mut self, idle: Option<Duration>, now: Instant) {
        self.idle = idle;
        self.on_progress(now);
    }

    /// The route's own `max_stream_duration`.
    pub(super) fn set_max_duration(&mut self, most: Option<Duration>, start: Instant) {
        self.max_duration = most.map(|limit| start + limit);
    }

    /// The client of a gRPC request waits so long.
    pub(super) fn set_grpc(&mut self, timeout: Duration, now: Instant) {
        self.grpc = Some(now + timeout);
    }

    /// The request is a stream of messages that come when there is something to say: neither their rate nor a rest
    /// between two tells of a slow client. It holds no connection, and `stream_idle_timeout` holds.
    pub(super) fn on_grpc_stream(&mut self) {
        self.min_rate = 0;
        self.body_idle = None;
    }

    /// Bytes moved, either way.
    pub(super) fn on_progress(&mut self, now: Instant) {
        self.idle_at = self.idle.map(|limit| now + limit);
        // A client that takes bytes is there, whatever it closed; one that is not answers them with a reset.
        self.gone = self.gone.map(|_| now + HALF_CLOSE_GRACE);
    }

    /// The request is here whole.
    pub(super) fn on_request_end(&mut self, route: Option<Duration>, now: Instant) {
        self.request = None;
        self.route = route.filter(|_| self.grpc.is_none()).map(|limit| now + limit);
        self.on_body_paused(now);
    }

    /// Until the client is told that it took too long; `None`: nobody says so.
    pub(super) fn time_left(&self, now: Instant) -> Option<Duration> {
        let limits = [self.route, self.grpc, self.max_duration];
        limits.into_iter().flatten().min().map(|at| at.saturating_duration_since(now))
    }

    /// A tunnel has no end to wait for.
    pub(super) fn on_tunnel(&mut self) {
        self.request = None;
        self.route = None;
        self.grpc = None;
        self.min_rate = 0;
        self.body_idle = None;
        self.body_idle_at = None;
    }

    /// The response is here whole.
    pub(super) fn on_response_end(&mut self) {
        self.request = None;
        self.route = None;
        self.grpc = None;
    }

    /// The proxy answers itself: the request is waited for no longer, and a limit that has passed has had its effect.
    pub(super) fn on_local_reply(&mut self, now: Instant) {
        self.on_response_end();
        self.on_body_paused(now);
        self.max_duration = self.max_duration.filter(|at| *at > now);
        self.idle_at = self.idle.map(|limit| now + limit);
    }

    /// Bytes of the request body are waited for.
    pub(super) fn on_body_wanted(&mut self, now: Instant) {
        if self.body_idle_at.is_none() {
            self.body_idle_at = self.body_idle.map(|limit| now + limit);
        }
        let paused = self.paused_at.take().map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.body_start = Some(self.body_start.map_or(now, |start| start + paused));
    }

    /// Bytes of the request body came, or none are wanted: it is not the client who is slow.
    pub(super) fn on_body_paused(&mut self, now: Instant) {
        self.body_idle_at = None;
        self.paused_at.get_or_insert(now);
    }

    /// Bytes wait for the client to take them; `moved`: it took some.
    pub(super) fn on_flush_pending(&mut self, moved: bool, now: Instant) {
        if moved || self.flush_at.is_none() {
            self.flush_at = self.flush.map(|limit| now + limit);
        }
    }

    pub(super) fn on_flushed(&mut self) {
        self.flush_at = None;
    }

    /// The client closed its sending side.
    pub(super) fn on_half_close(&mut self, now: Instant) {
        self.gone.get_or_insert(now + HALF_CLOSE_GRACE);
    }

    /// When to look again. `received`: body bytes so far.
    pub(super) fn earliest(&self, received: u64) -> Option<Instant> {
        let deadlines = [
            self.request,
            self.route,
            self.max_duration,
            self.grpc,
            self.idle_at,
            self.body_idle_at,
            self.flush_at,
            self.gone,
            self.rate_deadline(received),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The first limit that has passed.
    pub(super) fn expired(&self, received: u64, now: Instant) -> Option<Expired> {
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        let rows = [
            (self.gone, Expired::Gone),
            (self.max_duration, Expired::Timeout(Timeout::MaxStreamDuration)),
            (self.grpc, Expired::Timeout(Timeout::Grpc)),
            (self.route, Expired::Timeout(Timeout::Route)),
            (self.request, Expired::Timeout(Timeout::Request)),
            (self.body_idle_at, Expired::Timeout(Timeout::RequestBody)),
            (self.rate_deadline(received), Expired::Timeout(Timeout::RequestBody)),
            (self.flush_at, Expired::Timeout(Timeout::StreamFlush)),
            (self.idle_at, Expired::Timeout(Timeout::StreamIdle)),
        ];
        rows.into_iter().find(|(deadline, _)| passed(*deadline)).map(|(_, expired)| expired)
    }

    /// When `received` bytes fall below the least rate, while more are wanted.
    fn rate_deadline(&self, received: u64) -> Option<Instant> {
        self.body_idle_at?;
        let earned = received.checked_div(self.min_rate)?;
        Some(self.body_start? + RATE_GRACE + Duration::from_secs(earned.min(1 << 30)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn timeouts() -> (Timeouts, Instant) {
        // Any instant will do: the crate's only clock is in runtime.
        let start = crate::runtime::control::now();
        let timeouts = Timeouts {
            idle: Some(Duration::from_secs(300)),
            body_idle: Some(Duration::from_secs(30)),
            min_rate: 256,
            flush: Some(Duration::from_secs(30)),
            ..Timeouts::default()
        };
        (timeouts, start)
    }

    #[test]
    fn a_body_may_neither_stop_nor_trickle() {
        let (mut timeouts, start) = timeouts();
        timeouts.on_body_wanted(start);
        assert_eq!(timeouts.expired(0, at(start, 9)), None);
        assert_eq!(timeouts.expired(0, at(start, 10)), Some(Expired::Timeout(Timeout::RequestBody)));
        // 2560 bytes pay for ten seconds more.
        assert_eq!(timeouts.expired(2560, at(start, 19)), None);
        assert_eq!(timeouts.expired(2560, at(start, 20)), Some(Expired::Timeout(Timeout::RequestBody)));
        // Plenty of bytes, then silence.
        assert_eq!(timeouts.expired(1 << 20, at(start, 29)), None);
        assert_eq!(timeouts.expired(1 << 20, at(start, 30)), Some(Expired::Timeout(Timeout::RequestBody)));
        // We do not read: nothing to hold against the client.
        timeouts.on_body_paused(at(start, 30));
        assert_eq!(timeouts.expired(0, at(start, 100)), None);
        assert_eq!(timeouts.earliest(0), None);
        // The pause does not count: 7680 bytes pay for 30 s, of which 30 + 10 were there.
        timeouts.on_body_wanted(at(start, 100));
        assert_eq!(timeouts.expired(7680, at(start, 109)), None);
        assert_eq!(timeouts.expired(7680, at(start, 110)), Some(Expired::Timeout(Timeout::RequestBody)));
    }

    #[test]
    fn the_route_timeout_starts_with_the_end_of_the_request() {
        let (mut timeouts, start) = timeouts();
        assert_eq!(timeouts.earliest(0), None);
        timeouts.on_request_end(Some(Duration::from_secs(15)), at(start, 5));
        assert_eq!(timeouts.earliest(0), Some(at(start, 20)));
        assert_eq!(timeouts.expired(0, at(start, 20)), Some(Expired::Timeout(Timeout::Route)));
        timeouts.on_response_end();
        assert_eq!(timeouts.expired(0, at(start, 20)), None);
    }

    #[test]
    fn a_grpc_timeout_stands_in_for_the_routes() {
        let (mut timeouts, start) = timeouts();
        timeouts.set_grpc(Duration::from_secs(30), start);
        timeouts.on_request_end(Some(Duration::from_secs(15)), at(start, 5));
        assert_eq!(timeouts.earliest(0), Some(at(start, 30)));
        assert_eq!(timeouts.expired(0, at(start, 29)), None);
        assert_eq!(timeouts.expired(0, at(start, 30)), Some(Expired::Timeout(Timeout::Grpc)));
        timeouts.on_response_end();
        assert_eq!(timeouts.expired(0, at(start, 30)), None);
    }

    #[test]
    fn a_grpc_stream_may_rest_until_it_is_idle() {
        let (mut timeouts, start) = timeouts();
        timeouts.on_grpc_stream();
        timeouts.on_progress(start);
        timeouts.on_body_wanted(start);
        assert_eq!(timeouts.expired(0, at(start, 299)), None);
        assert_eq!(timeouts.expired(0, at(start, 300)), Some(Expired::Timeout(Timeout::StreamIdle)));
    }

    #[test]
    fn a_limit_that_was_answered_does_not_cut_the_answer() {
        let (mut timeouts, start) = timeouts();
        timeouts.on_body_wanted(start);
        timeouts.max_duration = Some(at(start, 30));
        timeouts.on_progress(start);
        assert!(timeouts.expired(1 << 20, at(start, 30)).is_some());
        timeouts.on_local_reply(at(start, 30));
        assert_eq!(timeouts.expired(0, at(start, 30)), None);
        // One that has not passed still holds, and so does that of an answer that is not taken.
        timeouts.max_duration = Some(at(start, 60));
        timeouts.on_local_reply(at(start, 31));
        timeouts.on_flush_pending(false, at(start, 31));
        assert_eq!(timeouts.earliest(0), Some(at(start, 60)));
        assert_eq!(timeouts.expired(0, at(start, 61)), Some(Expired::Timeout(Timeout::MaxStreamDuration)));
    }

    #[test]
    fn progress_moves_the_idle_deadline_and_a_taken_byte_the_flush_deadline() {
        let (mut timeouts, start) = timeouts();
        timeouts.on_progress(start);
        timeouts.on_flush_pending(false, start);
        timeouts.on_flush_pending(false, at(start, 20));
        assert_eq!(timeouts.expired(0, at(start, 30)), Some(Expired::Timeout(Timeout::StreamFlush)));
        timeouts.on_flush_pending(true, at(start, 29));
        assert_eq!(timeouts.expired(0, at(start, 30)), None);
        timeouts.on_flushed();
        assert_eq!(timeouts.expired(0, at(start, 300)), Some(Expired::Timeout(Timeout::StreamIdle)));
        timeouts.on_progress(at(start, 100));
        assert_eq!(timeouts.expired(0, at(start, 300)), None);
    }
}

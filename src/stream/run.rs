//! One stream, from its request head to its end, as one task that drives both directions.
//!
//! ```text
//!   client --poll_recv--> request filters --+--> upstream --poll_recv--> response filters --> client
//!                                           |                                  ^
//!                                           +-- redirect, respond, error ------+  (local reply)
//! ```
//!
//! **Both directions run at once.** Each turn of [`Stream::poll`] moves each direction as far as it goes; the task sleeps
//! when a whole turn moved nothing. A response may start, and end, while the request still flows: its end is the
//! end of the stream, and what is left of the request is the connection's business (drain or close).
//!
//! **Back-pressure** is not pulling. The request is pulled when the upstream's output is empty enough, the response when
//! the client's is; a filter that waits, a connect in progress and a full socket all stop the pull, and so the reads.
//!
//! **Who wakes.** The client's socket, the upstream's socket (or the pool's queue, or the connect), a filter
//! that waits, and one timer: all wake this task, which looks at everything again.
//!
//! **Cancel.** Dropping the stream closes the upstream connection and gives every permit back. A client that
//! goes while nothing is read from it is noticed by [`Downstream::poll_hangup`].
//!
//! **Errors** all come to [`Stream::on_error`]: try again, answer locally, or cut off.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use nuncio_http::{HeaderList, Method, RequestHead, Upgrade, Version};

use super::attempt::Attempt;
use super::ends::{Downstream, Outcome};
use super::hash::Wish;
use super::info::{ConnectionInfo, StreamInfo};
use super::request::RequestLane;
use super::response::ResponseLane;
use super::shadow::Shadow;
use super::timeouts::{Expired, Timeouts};
use crate::cluster::Asked;
use crate::error::{Error, Kind, Side, Timeout};
use crate::filter::{Chain, LocalReply, StreamCx, StreamEnd};
use crate::listener::ListenerView;
use crate::runtime::{Hangup, Rt, Timer};

/// Turns of a stream that keeps moving before its worker looks after the others: some 2 MiB, a millisecond (row H2-18).
const TURNS: usize = 8;

pub struct Stream {
    pub(super) listener: Rc<ListenerView>,
    pub(super) rt: Rt,
    /// What the client speaks.
    pub(super) version: Version,
    pub(super) info: StreamInfo,
    /// Its place in the table of `listener`.
    pub(super) route: Option<usize>,
    pub(super) chain: Chain,
    pub(super) request: RequestLane,
    pub(super) response: ResponseLane,
    pub(super) attempt: Attempt,
    pub(super) timeouts: Timeouts,
    /// What a trusted client asks for by `x-envoy-*`.
    pub(super) asked: Option<Box<Asked>>,
    /// What it says of the host that it wants, where its route or cluster looks at that.
    pub(super) wish: Option<Box<Wish>>,
    /// Copies of the request that are under way.
    pub(super) shadows: Vec<Shadow>,
    /// What came was no request.
    refusal: Option<Error>,
    /// Bytes that the client had taken by the last turn.
    sent: u64,
    /// Something moved in this turn.
    pub(super) moved: bool,
}

impl Stream {
    /// A stream whose request head has come, its first byte at `start`. On the heap once, so that no future that holds it is large.
    pub fn new(
        listener: Rc<ListenerView>,
        connection: Rc<ConnectionInfo>,
        head: RequestHead,
        upgrade: Option<Upgrade>,
        start: Instant,
    ) -> Box<Stream> {
        let rt = listener.worker.rt.clone();
        let version = head.version;
        let info = StreamInfo::new(connection, head, start, &rt);
        Box::new(Stream {
            timeouts: Timeouts::new(&listener.http, info.start),
            request: RequestLane::new(&info, upgrade),
            response: ResponseLane::default(),
            attempt: Attempt::default(),
            chain: Chain::default(),
            route: None,
            asked: None,
            wish: None,
            shadows: Vec::new(),
            refusal: None,
            sent: 0,
            moved: false,
            version,
            listener,
            rt,
            info,
        })
    }

    /// A stream for bytes that are not a request: it is refused with `error`, and logged like any other.
    pub fn refused(
        listener: Rc<ListenerView>,
        connection: Rc<ConnectionInfo>,
        version: Version,
        error: Error,
        start: Instant,
    ) -> Box<Stream> {
        let nothing = RequestHead::new(Method::Get, version, HeaderList::new());
        let mut stream = Stream::new(listener, connection, nothing, None, start);
        stream.info.request = None;
        stream.refusal = Some(error);
        stream
    }

    /// Runs the stream to its end.
    pub async fn run(&mut self, down: &mut dyn Downstream, timer: &Timer) -> Outcome {
        self.listener.stats.downstream_rq_total.inc();
        match self.version {
            Version::Http2 => self.listener.stats.downstream_rq_http2_total.inc(),
            _ => self.listener.stats.downstream_rq_http1_total.inc(),
        }
        self.listener.stats.downstream_rq_active.inc();
        self.begin(down);
        let outcome = std::future::poll_fn(|task| self.poll(task, down, timer)).await;
        self.finish(outcome);
        outcome
    }

    /// Prepares the head, finds the route, and shows the head to the filters.
    fn begin(&mut self, down: &mut dyn Downstream) {
        if let Some(error) = self.refusal {
            self.on_error(error, down);
            return;
        }
        let started = self.prepare_request().and_then(|()| {
            self.find_route();
            self.check_upgrade()
        });
        self.new_chain();
        match started {
            Ok(()) => {
                if let Err(error) = self.offer_request_head(down) {
                    self.on_error(error, down);
                }
            }
            Err(reply) => self.reply(*reply, down),
        }
    }

    fn poll(&mut self, task: &mut Context<'_>, down: &mut dyn Downstream, timer: &Timer) -> Poll<Outcome> {
        for _ in 0..TURNS {
            self.moved = false;
            if let Err(error) = self.turn(task, down)
                && let Some(outcome) = self.on_error(error, down)
            {
                return Poll::Ready(outcome);
            }
            if self.is_over(down) {
                return Poll::Ready(Outcome::Complete);
            }
            if self.moved {
                self.timeouts.on_progress(self.rt.now());
                continue;
            }
            timer.set(self.earliest_deadline());
            if timer.poll(task).is_pending() {
                return Poll::Pending;
            }
            let Some(error) = self.expired() else { continue };
            if let Some(outcome) = self.on_error(error, down) {
                return Poll::Ready(outcome);
            }
        }
        // Both peers are fast: the others have their turn too.
        self.rt.yield_to_io(task);
        Poll::Pending
    }

    /// Moves both directions as far as they go.
    fn turn(&mut self, task: &mut Context<'_>, down: &mut dyn Downstream) -> Result<(), Error> {
        self.poll_request(task, down)?;
        self.poll_attempt(task)?;
        self.poll_race(task);
        self.flush_upstream(task);
        self.poll_response(task, down)?;
        self.flush_downstream(task, down)?;
        self.poll_hangup(task, down)
    }

    /// The response went out whole, and the request too where one is not over without the other.
    fn is_over(&self, down: &dyn Downstream) -> bool {
        let sent = self.response.is_done() && !down.has_output();
        let forwarded = self.request.is_forwarded() && !self.attempt.has_output() || self.attempt.is_broken();
        sent && (forwarded || !self.request.is_tunnel())
    }

    fn flush_downstream(&mut self, task: &mut Context<'_>, down: &mut dyn Downstream) -> Result<(), Error> {
        let flushed = down.poll_flush(task);
        let sent = down.sent();
        let moved = sent > std::mem::replace(&mut self.sent, sent);
        match flushed {
            Poll::Ready(result) => {
                self.moved |= moved;
                self.timeouts.on_flushed();
                result
            }
            Poll::Pending => {
                self.timeouts.on_flush_pending(moved, self.rt.now());
                if moved {
                    self.timeouts.on_progress(self.rt.now());
                }
                Ok(())
            }
        }
    }

    fn poll_hangup(&mut self, task: &mut Context<'_>, down: &mut dyn Downstream) -> Result<(), Error> {
        let tunnel = self.request.is_tunnel();
        if tunnel && !self.request.is_received() && self.attempt.is_caught_up() {
            // Reading finds it, behind the bytes that still belong to the upstream.
            return Ok(());
        }
        match down.poll_hangup(task) {
            Poll::Ready(Hangup::Reset) => Err(Error::downstream(Kind::Closed)),
            // In a tunnel either side may end before the other.
            Poll::Ready(Hangup::HalfClosed) if self.request.is_received() && !tunnel => {
                self.timeouts.on_half_close(self.rt.now());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn earliest_deadline(&self) -> Option<Instant> {
        let own = self.timeouts.earliest(self.info.bytes_received);
        [own, self.attempt.deadline(), self.response.deadline()].into_iter().flatten().min()
    }

    /// The limit of time that passed, as an error. The connect timeout is found by the attempt itself.
    fn expired(&mut self) -> Option<Error> {
        let now = self.rt.now();
        match self.timeouts.expired(self.info.bytes_received, now)? {
            Expired::Gone => Some(Error::downstream(Kind::Closed)),
            Expired::Timeout(timeout) => Some(Error::timeout(timeout, self.response.is_started())),
        }
    }

    /// Tries again, answers, or gives the stream up; only the last has an outcome.
    pub(super) fn on_error(&mut self, error: Error, down: &mut dyn Downstream) -> Option<Outcome> {
        if error.side == Side::Upstream
            && error.kind == Kind::Closed
            && let Some(view) = self.attempt.view()
        {
            view.stats.upstream_rq_rx_reset.inc();
        }
        if self.retry(error) {
            self.moved = true;
            return None;
        }
        let charged =
            error.side == Side::Upstream || matches!(error.kind, Kind::Timeout(Timeout::Route) | Kind::Overflow);
        if charged && !self.response.is_started() {
            // As Envoy: what the client is told instead of a response counts against the cluster.
            if let Some(view) = self.attempt.view() {
                view.stats.response(error.status());
            }
        }
        self.info.flags.insert(error.flag());
        self.count_error(error);
        let gone = error.side == Side::Downstream && error.kind == Kind::Closed;
        // What goes wrong with a local reply is not answered with another one: that could go on for ever.
        if gone || self.response.is_started() || self.response.is_local() {
            self.info.detail = error.detail();
            let stats = &self.listener.stats;
            if self.response.is_started() {
                stats.rq_reset_after_downstream_response_started.inc();
            }
            if gone {
                return Some(Outcome::Gone);
            }
            stats.downstream_rq_tx_reset.inc();
            return Some(Outcome::Abort);
        }
        if error.status() == 408 {
            // RFC 9110 section 15.5.9: what did not come in time is not waited for any longer.
            down.close_after_response();
        }
        let mut reply = super::reply::for_error(error);
        if error.kind == Kind::Timeout(Timeout::Route) && self.asked.as_ref().is_some_and(|it| it.alternative_response)
        {
            // `x-envoy-upstream-rq-timeout-alt-response`
            reply = LocalReply::text(204, "", reply.detail);
        }
        self.reply(reply, down);
        None
    }

    /// What filters may use.
    pub(super) fn cx<'a>(rt: &'a Rt, info: &'a mut StreamInfo) -> StreamCx<'a> {
        StreamCx { rt, info }
    }

    /// Log, stats, and the connection back to the pool.
    fn finish(&mut self, outcome: Outcome) {
        let now = self.rt.now();
        self.info.times.end = Some(now);
        if !self.response.is_started() {
            // Whatever was meant to be sent, nothing was.
            self.info.status = 0;
        }
        self.end_attempt(outcome, now);
        self.chain.end(&StreamEnd { info: &self.info });
        for log in &*self.listener.access_logs {
            log.log(&self.info);
        }
        let stats = &self.listener.stats;
        stats.downstream_rq_active.dec();
        if self.request.is_tunnel() {
            stats.downstream_cx_upgrades_active.dec();
        }
        if self.response.is_done() && !self.request.is_received() {
            stats.downstream_rq_response_before_rq_complete.inc();
        }
        stats.downstream_rq_time.record(now.saturating_duration_since(self.info.start));
        stats.downstream_rq_completed.inc();
        stats.response(self.info.status);
    }

    fn count_error(&self, error: Error) {
        let stats = &self.listener.stats;
        match (error.kind, error.side) {
            (Kind::Timeout(Timeout::Route), _) => {
                if let Some(view) = &self.attempt.view() {
                    view.stats.upstream_rq_timeout.inc();
                }
            }
            // Counted when it passed.
            (Kind::Timeout(Timeout::PerTry | Timeout::PerTryIdle), _) => {}
            (Kind::Timeout(Timeout::StreamIdle | Timeout::StreamFlush), _) => stats.downstream_rq_idle_timeout.inc(),
            (Kind::Timeout(Timeout::MaxStreamDuration | Timeout::Grpc), _) => {
                stats.downstream_rq_max_duration_reached.inc()
            }
            (Kind::Timeout(_), _) => stats.downstream_rq_timeout.inc(),
            (Kind::Closed, Side::Downstream) => stats.downstream_rq_rx_reset.inc(),
            (Kind::NoRoute, _) => stats.no_route.inc(),
            _ => {}
        }
    }
}

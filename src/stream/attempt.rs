//! Sending the request to hosts: which one, over which connection, and what is kept to send it again.
//!
//! ```text
//!   start --host, permit--> Acquiring --connection--> Open ----------------- head accepted --> Open, to the end
//!                 ^              |                      |
//!                 |              +-- failed, timed out, refused, an answer nobody wants (`retry`)
//!                 |                             |
//!                 +--- Waiting (back-off) <-----+--> or the client is told
//! ```
//! One [`Sending`] a stream holds what all tries share: the permit, the parts of the request that were sent, the policy's
//! state. A [`Try`] is one host; the stream has one, and for a while a second, its rival (`race`).
//!
//! **Who owns what.** The try owns its connection until it ends: a clean end gives it back to the pool, dropping the try closes
//! it or resets its stream. **Who wakes.** The connection's socket, the pool's queue, and the stream's timer, which is set to
//! [`Attempt::deadline`] too. **Cancel.** Dropping the stream drops both tries and all permits.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::ends::Outcome;
use super::replay::Replay;
use super::run::Stream;
use crate::cluster::{ClusterView, HostView, Permit, Resource};
use crate::error::{Error, Kind, Phase};
use crate::filter::Part;
use crate::route::{Action, Route};
use crate::upstream::acquire::Acquire;
use crate::upstream::{Exchange, Wanted};

/// The upstream's end of a stream.
#[derive(Default)]
pub(super) struct Attempt(pub(super) Option<Box<Sending>>);

/// What all tries of a stream share.
pub(super) struct Sending {
    pub(super) view: Rc<ClusterView>,
    pub(super) wanted: Wanted,
    _active: Active,
    pub(super) replay: Replay,
    /// Times it was sent again because the host cannot have acted on it.
    pub(super) unharmed: u8,
    /// The head of the response was taken: what goes wrong from now on cannot be mended.
    pub(super) accepted: bool,
    pub(super) current: Try,
}

/// The request counts against its cluster as long as this lives.
struct Active {
    view: Rc<ClusterView>,
    _permit: Permit,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.view.stats.upstream_rq_active.dec();
    }
}

/// The request and one host.
pub(super) struct Try {
    pub(super) host: Busy,
    pub(super) state: State,
}

#[allow(clippy::large_enum_variant, reason = "it is on the heap, with its stream's sending")]
pub(super) enum State {
    Acquiring(Acquire),
    Open(Exchange),
}

/// A host that has one more request as long as this lives.
pub(super) struct Busy(Rc<HostView>);

impl Busy {
    pub(super) fn new(host: Rc<HostView>) -> Busy {
        host.request_started();
        Busy(host)
    }
}

impl std::ops::Deref for Busy {
    type Target = Rc<HostView>;

    fn deref(&self) -> &Rc<HostView> {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

impl Try {
    pub(super) fn exchange(&mut self) -> Option<&mut Exchange> {
        match &mut self.state {
            State::Open(exchange) => Some(exchange),
            State::Acquiring(_) => None,
        }
    }
}

impl Attempt {
    fn open(&self) -> Option<&Exchange> {
        match &self.0.as_ref()?.current.state {
            State::Open(exchange) => Some(exchange),
            State::Acquiring(_) => None,
        }
    }

    /// The exchange with the host, once there is a connection.
    pub(super) fn exchange(&mut self) -> Option<&mut Exchange> {
        self.0.as_mut()?.current.exchange()
    }

    /// When to look again, whatever happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.0.as_ref()?.current.state {
            State::Acquiring(acquire) => acquire.deadline(),
            State::Open(_) => None,
        }
    }

    /// The upstream can take more of the request; if not now, the task is woken when it can.
    pub(super) fn takes_more(&mut self, task: &mut Context<'_>) -> bool {
        let Some(exchange) = self.exchange() else { return false };
        !exchange.is_broken() && exchange.poll_room(task).is_ready()
    }

    /// The upstream has taken everything that was sent, and can take more.
    pub(super) fn is_caught_up(&self) -> bool {
        self.open().is_some_and(|exchange| !exchange.has_output() && !exchange.is_broken())
    }

    /// The upstream will never take another byte.
    pub(super) fn is_broken(&self) -> bool {
        self.open().is_some_and(Exchange::is_broken)
    }

    /// Bytes wait for the upstream's socket.
    pub(super) fn has_output(&self) -> bool {
        self.open().is_some_and(Exchange::has_output)
    }

    pub(super) fn view(&self) -> Option<Rc<ClusterView>> {
        self.0.as_ref().map(|sending| sending.view.clone())
    }
}

impl Stream {
    pub(super) fn pick_cluster(&mut self, route: &Route) -> Result<Rc<ClusterView>, Error> {
        let cluster = match &route.action {
            Action::Cluster(cluster) => cluster,
            Action::Clusters(clusters) => clusters.pick(fastrand::u64(..)),
            Action::Redirect(_) | Action::Respond(_) => return Err(Error::local(Kind::NoRoute)),
        };
        let view = &self.listener.clusters[cluster.slot];
        self.info.cluster = Some(view.name.clone());
        if view.shared.values.maintenance_mode.is_hit(&mut fastrand::Rng::new()) {
            view.stats.upstream_rq_maintenance_mode.inc();
            view.stats.response(Error::local(Kind::Maintenance).status());
            return Err(Error::local(Kind::Maintenance));
        }
        view.serving(&self.info.connection).ok_or_else(|| {
            view.stats.upstream_cx_none_healthy.inc();
            Error::local(Kind::NoHealthyHost)
        })
    }

    /// The first try.
    pub(super) fn start_attempt(&mut self, view: Rc<ClusterView>, wanted: Wanted) -> Result<(), Error> {
        let Some(permit) = Permit::try_new(&view, Resource::Requests) else {
            view.stats.upstream_rq_pending_overflow.inc();
            view.stats.response(Error::local(Kind::Overflow).status());
            return Err(Error::local(Kind::Overflow));
        };
        let current = self.new_try(&view, wanted)?;
        view.stats.upstream_rq_active.inc();
        let active = Active { view: view.clone(), _permit: permit };
        self.listener.stats.rq_total.inc();
        let replay = Replay::new(&self.info.connection, self.version);
        let sending = Sending { wanted, _active: active, replay, unharmed: 0, accepted: false, current, view };
        self.attempt.0 = Some(Box::new(sending));
        Ok(())
    }

    /// Picks a host and asks for a connection to it.
    fn new_try(&mut self, view: &Rc<ClusterView>, wanted: Wanted) -> Result<Try, Error> {
        let Some(host) = view.pick() else {
            view.stats.upstream_cx_none_healthy.inc();
            return Err(Error::local(Kind::NoHealthyHost));
        };
        Ok(self.try_host(view, host, wanted))
    }

    pub(super) fn try_host(&mut self, view: &Rc<ClusterView>, host: Rc<HostView>, wanted: Wanted) -> Try {
        self.info.host = Some(host.clone());
        let acquire = Acquire::new(view.clone(), host.clone(), wanted, &self.info.connection);
        Try { host: Busy::new(host), state: State::Acquiring(acquire) }
    }

    /// Waits for the connection and sends the head on it.
    pub(super) fn poll_attempt(&mut self, task: &mut Context<'_>) -> Result<(), Error> {
        let Some(sending) = &mut self.attempt.0 else { return Ok(()) };
        let State::Acquiring(acquire) = &mut sending.current.state else { return Ok(()) };
        let Poll::Ready(connection) = acquire.poll(task, &self.rt, &self.listener.worker.buffers) else {
            return Ok(());
        };
        let connection = connection?;
        self.moved = true;
        let mut exchange = connection.exchange(&self.listener.upstream_limits, &self.listener.worker.buffers);
        let now = self.rt.now();
        self.info.attempts += 1;
        self.info.times.upstream_ready = Some(now);
        self.info.times.upstream_request_start = Some(now);
        self.info.upstream_local = Some(exchange.local_addr().clone());
        sending.view.stats.upstream_rq_total.inc();
        sending.current.host.stats.rq_total.inc();
        let sent = match &self.info.request {
            Some(head) => exchange.send_head(head, self.request.upgrade),
            None => Err(Error::local(Kind::Local("no_request"))),
        };
        let parts = sending.replay.parts();
        let sent = sent.and_then(|()| parts.into_iter().flatten().try_for_each(|part| exchange.send_part(part)));
        sending.current.state = State::Open(exchange);
        sent
    }

    /// Sends a part of the request, and keeps it as long as it may have to be sent again.
    pub(super) fn forward(&mut self, part: Part) -> Result<(), Error> {
        let Some(Sending { current: Try { state: State::Open(exchange), .. }, replay, accepted, .. }) =
            self.attempt.0.as_deref_mut()
        else {
            return Err(Error::local(Kind::Local("no_upstream")));
        };
        replay.keep(&part, !*accepted && exchange.may_need_replay());
        if part.is_end() {
            self.info.times.upstream_request_end = Some(self.rt.now());
        }
        exchange.send_part(part)
    }

    pub(super) fn flush_upstream(&mut self, task: &mut Context<'_>) {
        if let Some(exchange) = self.attempt.exchange() {
            self.moved |= exchange.flush(task);
        }
    }

    /// The response is the one that the client gets: nothing is sent again from now on.
    pub(super) fn on_response_accepted(&mut self) {
        if let Some(sending) = &mut self.attempt.0 {
            sending.accepted = true;
            sending.replay.give_up();
        }
    }

    /// Gives up the upstream: a local reply takes over.
    pub(super) fn drop_attempt(&mut self) {
        let Some(sending) = self.attempt.0.take() else { return };
        let Try { host, state } = sending.current;
        if let State::Open(exchange) = state {
            host.stats.rq_error.inc();
            exchange.abandon();
        }
    }

    /// The stream is over.
    pub(super) fn end_attempt(&mut self, outcome: Outcome, now: Instant) {
        let Some(sending) = self.attempt.0.take() else { return };
        let Sending { view, current, .. } = *sending;
        let stats = &view.stats;
        let Try { host, state: State::Open(exchange) } = current else { return };
        match &self.info.response {
            Some(head) if self.response.is_from_upstream() => {
                stats.upstream_rq_completed.inc();
                stats.response(head.status);
                if head.status >= 500 {
                    host.stats.rq_error.inc()
                } else {
                    host.stats.rq_success.inc()
                }
                if let Some(start) = self.info.times.upstream_request_start {
                    stats.upstream_rq_time.record(now.saturating_duration_since(start));
                }
            }
            _ => stats.upstream_rq_cancelled.inc(),
        }
        if outcome == Outcome::Complete {
            exchange.finish(now);
        } else {
            stats.upstream_rq_tx_reset.inc();
            exchange.abandon();
        }
    }
}

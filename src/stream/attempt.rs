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

use nuncio_http::{HeaderId, RequestHead};

use super::ends::Outcome;
use super::race::Racing;
use super::replay::Replay;
use super::run::Stream;
use crate::cluster::balance::PickCx;
use crate::cluster::{Busy, ClusterView, Host, HostView, Permit, Resource, RetryPolicy, RetryState};
use crate::config::{self, Priority};
use crate::error::{Error, Kind, Phase, Timeout};
use crate::filter::Part;
use crate::listener::ListenerView;
use crate::route::{Action, Route};
use crate::upstream::acquire::Acquire;
use crate::upstream::{Exchange, FromUpstream, Wanted};

/// The upstream's end of a stream.
#[derive(Default)]
pub(super) struct Attempt(pub(super) Option<Box<Sending>>);

/// What all tries of a stream share.
pub(super) struct Sending {
    pub(super) view: Rc<ClusterView>,
    pub(super) wanted: Wanted,
    _active: Active,
    pub(super) replay: Replay,
    /// The head of the response was taken: what goes wrong from now on cannot be mended.
    pub(super) accepted: bool,
    /// The status of its head, which outlier detection is told of when the answer has ended.
    pub(super) answered: Option<u16>,
    /// `None` while it waits for its next try.
    pub(super) current: Option<Try>,
    /// The next try begins then.
    pub(super) pause: Option<Instant>,
    pub(super) retry: Retrying,
    pub(super) race: Racing,
}

/// What was made of failures so far.
pub(super) struct Retrying {
    /// The route's place in the table of the listener.
    route: usize,
    /// The route's policy is not this request's: its client asks for more, or it is one that is never sent again.
    pub(super) policy: Option<Box<RetryPolicy>>,
    pub(super) state: RetryState,
    /// As long as a retry is under way.
    pub(super) permit: Option<Permit>,
    /// The answer is one that would have been asked for again, had that been possible.
    pub(super) in_vain: bool,
    /// Hosts that have failed it.
    pub(super) tried: Vec<Rc<HostView>>,
}

impl Retrying {
    pub(super) fn route(&self) -> usize {
        self.route
    }

    /// What may be sent again.
    pub(super) fn policy<'a>(&'a self, listener: &'a ListenerView) -> &'a RetryPolicy {
        self.policy.as_deref().unwrap_or(&listener.route(self.route).retry)
    }
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
    /// Which try of its request it is, from 1.
    number: u32,
    /// When the connection was there.
    pub(super) since: Option<Instant>,
    /// It has taken longer than a try may, and goes on all the same (`x-envoy-hedge-on-per-try-timeout`).
    pub(super) overdue: bool,
    /// `per_try_timeout`, from when there are a connection and the whole request
    due: Option<Instant>,
    /// `per_try_idle_timeout`, moved by what comes from the host.
    idle_due: Option<Instant>,
}

#[allow(clippy::large_enum_variant, reason = "it is on the heap, with its stream's sending")]
pub(super) enum State {
    Acquiring(Acquire),
    Open(Exchange),
}

impl Try {
    pub(super) fn new(host: Rc<HostView>, acquire: Acquire, number: u32) -> Try {
        Try {
            host: Busy::new(host),
            state: State::Acquiring(acquire),
            number,
            since: None,
            overdue: false,
            due: None,
            idle_due: None,
        }
    }

    /// The head of the request as the host of this try gets it.
    pub(super) fn tell_number(&self, head: &mut RequestHead, http: &config::Http) {
        if http.include_request_attempt_count {
            head.headers.set(HeaderId::XEnvoyAttemptCount, self.number.to_string().as_bytes());
        }
    }

    pub(super) fn exchange(&mut self) -> Option<&mut Exchange> {
        match &mut self.state {
            State::Open(exchange) => Some(exchange),
            State::Acquiring(_) => None,
        }
    }

    /// The connection is there. `received`: the request is here whole.
    pub(super) fn open(&mut self, exchange: Exchange, policy: &RetryPolicy, received: bool, now: Instant) {
        self.since = Some(now);
        self.due = policy.per_try_timeout.filter(|_| received).map(|limit| now + limit);
        self.idle_due = policy.per_try_idle_timeout.map(|limit| now + limit);
        self.state = State::Open(exchange);
    }

    /// Its answer is the one, or nobody counts on it any more: what it takes from now on is the stream's business.
    pub(super) fn on_accepted(&mut self) {
        self.due = None;
        self.idle_due = None;
    }

    /// The connection has to be there, or the response, by then.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let connect = match &self.state {
            State::Acquiring(acquire) => acquire.deadline(),
            State::Open(_) => None,
        };
        [connect, self.due, self.idle_due].into_iter().flatten().min()
    }

    /// A limit of one try has passed. The connect timeout is found by the connect itself.
    pub(super) fn expired(&self, now: Instant) -> Option<Timeout> {
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let rows = [(self.due, Timeout::PerTry), (self.idle_due, Timeout::PerTryIdle)];
        rows.into_iter().find(|(at, _)| passed(*at)).map(|(_, timeout)| timeout)
    }
}

impl Attempt {
    fn open(&self) -> Option<&Exchange> {
        match &self.0.as_ref()?.current.as_ref()?.state {
            State::Open(exchange) => Some(exchange),
            State::Acquiring(_) => None,
        }
    }

    /// The exchange with the host, once there is a connection.
    pub(super) fn exchange(&mut self) -> Option<&mut Exchange> {
        self.0.as_mut()?.current.as_mut()?.exchange()
    }

    /// When to look again, whatever happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let sending = self.0.as_ref()?;
        let tries = sending.current.iter().chain(sending.race.rivals()).filter_map(Try::deadline).min();
        [tries, sending.pause, sending.race.due()].into_iter().flatten().min()
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

    /// The head by which a rival has won.
    pub(super) fn take_won(&mut self) -> Option<FromUpstream> {
        self.0.as_mut()?.race.take_head()
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
    pub(super) fn start_attempt(&mut self, view: Rc<ClusterView>, route: &Route, wanted: Wanted) -> Result<(), Error> {
        let Some(permit) = Permit::try_new(&view, route.priority, Resource::Requests) else {
            view.stats.upstream_rq_pending_overflow.inc();
            view.stats.response(Error::local(Kind::Overflow).status());
            return Err(Error::local(Kind::Overflow));
        };
        self.wish = self.wish_of(&view, route);
        let host = self.pick_host(&view, &[])?;
        let current = self.try_host(&view, host, wanted);
        view.stats.upstream_rq_active.inc();
        self.listener.stats.rq_total.inc();
        let sending = Sending {
            wanted,
            _active: Active { view: view.clone(), _permit: permit },
            replay: Replay::new(&self.info.connection, self.version, route.retry.max_body_bytes),
            accepted: false,
            answered: None,
            current: Some(current),
            pause: None,
            retry: Retrying {
                route: route.index,
                policy: self.own_policy(route),
                state: RetryState::default(),
                permit: None,
                in_vain: false,
                tried: Vec::new(),
            },
            race: self.racing(route, &view, wanted),
            view,
        };
        self.attempt.0 = Some(Box::new(sending));
        Ok(())
    }

    /// A host for the next try, another one than those that were tried if there is one.
    pub(super) fn pick_host(&mut self, view: &Rc<ClusterView>, tried: &[Rc<HostView>]) -> Result<Rc<HostView>, Error> {
        let is_tried = |host: &Host| tried.iter().any(|tried| std::ptr::eq(&***tried, host));
        let wish = self.wish.as_deref();
        let cx = PickCx {
            hash: wish.and_then(|wish| wish.hash),
            sticky: wish.and_then(|wish| wish.sticky),
            subset: self.route.and_then(|route| self.listener.route(route).subset.as_ref()),
            tried: if tried.is_empty() { None } else { Some(&is_tried) },
            ..PickCx::default()
        };
        view.pick_for(&cx).ok_or_else(|| {
            view.stats.upstream_cx_none_healthy.inc();
            Error::local(Kind::NoHealthyHost)
        })
    }

    pub(super) fn try_host(&mut self, view: &Rc<ClusterView>, host: Rc<HostView>, wanted: Wanted) -> Try {
        self.info.host = Some(host.clone());
        self.info.upstream_remote = None;
        let priority = self.route.map(|route| self.listener.route(route).priority).unwrap_or_default();
        self.new_try(view, host, wanted, priority)
    }

    pub(super) fn new_try(
        &mut self,
        view: &Rc<ClusterView>,
        host: Rc<HostView>,
        wanted: Wanted,
        priority: Priority,
    ) -> Try {
        self.info.attempts = self.info.attempts.saturating_add(1);
        let acquire = Acquire::new(view.clone(), host.clone(), wanted, &self.info.connection).of_priority(priority);
        Try::new(host, acquire, self.info.attempts)
    }

    /// Waits for the end of a pause, for the connection, and sends the head on it.
    pub(super) fn poll_attempt(&mut self, task: &mut Context<'_>) -> Result<(), Error> {
        self.end_pause()?;
        let Some(sending) = self.attempt.0.as_deref_mut() else { return Ok(()) };
        let Some(current) = &mut sending.current else { return Ok(()) };
        let policy = sending.retry.policy(&self.listener);
        let now = self.rt.now();
        if let Some(timeout) = current.expired(now) {
            let stats = &sending.view.stats;
            let counter = match timeout {
                Timeout::PerTryIdle => &stats.upstream_rq_per_try_idle_timeout,
                _ => &stats.upstream_rq_per_try_timeout,
            };
            counter.inc();
            current.host.stats.rq_timeout.inc();
            current.on_accepted();
            return Err(Error::upstream(Kind::Timeout(timeout), Phase::Request));
        }
        let State::Acquiring(acquire) = &mut current.state else { return Ok(()) };
        let Poll::Ready(connection) = acquire.poll(task, &self.rt, &self.listener.worker.buffers) else {
            return Ok(());
        };
        let mut exchange = connection?.exchange(&self.listener.upstream_limits, &self.listener.worker.buffers);
        self.moved = true;
        self.info.times.upstream_ready = Some(now);
        self.info.times.upstream_request_start = Some(now);
        self.info.upstream_local = Some(exchange.local_addr().clone());
        self.info.upstream_remote = current.host.reached(exchange.peer_addr());
        sending.view.stats.upstream_rq_total.inc();
        current.host.stats.rq_total.inc();
        let sent = match &mut self.info.request {
            Some(head) => {
                current.tell_number(head, &self.listener.http);
                exchange.send_head(head, self.request.upgrade)
            }
            None => Err(Error::local(Kind::Local("no_request"))),
        };
        let parts = sending.replay.parts();
        let sent = sent.and_then(|()| parts.into_iter().flatten().try_for_each(|part| exchange.send_part(part)));
        current.open(exchange, policy, self.request.is_received(), now);
        sent
    }

    /// Sends a part of the request, and keeps it as long as it may have to be sent again.
    pub(super) fn forward(&mut self, part: Part) -> Result<(), Error> {
        let no_upstream = Error::local(Kind::Local("no_upstream"));
        let Some(sending) = self.attempt.0.as_deref_mut() else { return Err(no_upstream) };
        let policy = sending.retry.policy(&self.listener);
        let Some(exchange) = sending.current.as_mut().and_then(Try::exchange) else { return Err(no_upstream) };
        sending.replay.keep(&part, !sending.accepted && (policy.is_active() || exchange.may_need_replay()));
        if part.is_end() {
            self.info.times.upstream_request_end = Some(self.rt.now());
        }
        for shadow in &self.shadows {
            shadow.offer(&part);
        }
        exchange.send_part(part)
    }

    pub(super) fn flush_upstream(&mut self, task: &mut Context<'_>) {
        if let Some(exchange) = self.attempt.exchange() {
            self.moved |= exchange.flush(task);
        }
    }

    /// The request is here whole: from now on its host has so long to answer.
    pub(super) fn on_request_whole(&mut self, now: Instant) {
        let Some(sending) = self.attempt.0.as_deref_mut().filter(|sending| !sending.accepted) else { return };
        let limit = sending.retry.policy(&self.listener).per_try_timeout;
        if let Some(current) = sending.current.as_mut().filter(|current| current.since.is_some()) {
            current.due = limit.map(|limit| now + limit);
        }
    }

    /// Something has come from the host that is not yet taken.
    pub(super) fn on_upstream_progress(&mut self) {
        let Some(sending) = self.attempt.0.as_deref_mut().filter(|sending| !sending.accepted) else { return };
        let limit = sending.retry.policy(&self.listener).per_try_idle_timeout;
        if let (Some(limit), Some(current)) = (limit, &mut sending.current) {
            current.idle_due = Some(self.rt.now() + limit);
        }
    }

    /// The response is the one that the client gets: nothing is sent again from now on.
    pub(super) fn on_response_accepted(&mut self) {
        let Some(sending) = self.attempt.0.as_deref_mut() else { return };
        if std::mem::replace(&mut sending.accepted, true) {
            return;
        }
        sending.replay.give_up();
        sending.retry.permit = None;
        if sending.retry.state.retries() > 0 && !sending.retry.in_vain {
            sending.view.stats.upstream_rq_retry_success.inc();
        }
        if let Some(current) = &mut sending.current {
            current.on_accepted();
            if let (true, Some(since)) = (sending.race.is_on(), current.since) {
                sending.view.tempo().borrow_mut().record(self.rt.now().saturating_duration_since(since));
            }
        }
        sending.end_race(self.rt.now());
    }

    /// Gives up the upstream: a local reply takes over.
    pub(super) fn drop_attempt(&mut self) {
        let Some(mut sending) = self.attempt.0.take() else { return };
        sending.report_answered();
        sending.current.into_iter().for_each(Try::abandon);
    }

    /// The stream is over.
    pub(super) fn end_attempt(&mut self, outcome: Outcome, now: Instant) {
        let Some(mut sending) = self.attempt.0.take() else { return };
        sending.report_answered();
        let Sending { view, current, .. } = *sending;
        let stats = &view.stats;
        let Some(Try { host, state: State::Open(exchange), .. }) = current else { return };
        match &self.info.response {
            Some(head) if self.response.is_from_upstream() => {
                stats.upstream_rq_completed.inc();
                stats.response(head.status);
                host.stats.answered(head.status);
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

impl Try {
    /// It is given up before its end.
    pub(super) fn abandon(self) {
        if let State::Open(exchange) = self.state {
            self.host.stats.rq_error.inc();
            exchange.abandon();
        }
    }
}

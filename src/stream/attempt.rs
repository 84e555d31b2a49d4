//! Sending the request to a host: which one, over which connection, and again when a kept connection turns out dead.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::ends::Outcome;
use super::replay::Replay;
use super::run::Stream;
use crate::cluster::{ClusterView, HostView, Permit, Resource};
use crate::error::{Error, Kind, Phase, Side};
use crate::filter::Part;
use crate::route::{Action, Route};
use crate::upstream::acquire::Acquire;
use crate::upstream::{Exchange, Wanted};

/// Times a request is sent again that upstreams said they did not act on.
const UNPROCESSED_RETRIES: u8 = 3;

/// The upstream's end of a stream.
pub(super) enum Attempt {
    None,
    Acquiring(Box<Sending>, Acquire),
    Open(Box<Sending>, Box<Exchange>),
}

/// What all attempts of a stream share.
pub(super) struct Sending {
    view: Rc<ClusterView>,
    host: Rc<HostView>,
    /// The request counts against its cluster until the stream ends.
    _permit: Permit,
    /// Times it was sent again.
    retries: u8,
    replay: Replay,
}

impl Attempt {
    /// When the connect has to be done.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Attempt::Acquiring(_, acquire) => acquire.deadline(),
            _ => None,
        }
    }

    /// The upstream can take more of the request; if not now, the task is woken when it can.
    pub(super) fn takes_more(&mut self, task: &mut Context<'_>) -> bool {
        let Attempt::Open(_, exchange) = self else { return false };
        !exchange.is_broken() && exchange.poll_room(task).is_ready()
    }

    /// The upstream has taken everything that was sent, and can take more.
    pub(super) fn is_caught_up(&self) -> bool {
        matches!(self, Attempt::Open(_, exchange) if !exchange.has_output() && !exchange.is_broken())
    }

    /// The upstream will never take another byte.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Attempt::Open(_, exchange) if exchange.is_broken())
    }

    /// Bytes wait for the upstream's socket.
    pub(super) fn has_output(&self) -> bool {
        matches!(self, Attempt::Open(_, exchange) if exchange.has_output())
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

    /// Picks the first host.
    pub(super) fn first_attempt(&mut self, view: Rc<ClusterView>, wanted: Wanted) -> Result<(), Error> {
        let Some(permit) = Permit::try_new(&view, Resource::Requests) else {
            view.stats.upstream_rq_pending_overflow.inc();
            view.stats.response(Error::local(Kind::Overflow).status());
            return Err(Error::local(Kind::Overflow));
        };
        let Some(host) = view.pick() else {
            view.stats.upstream_cx_none_healthy.inc();
            return Err(Error::local(Kind::NoHealthyHost));
        };
        view.stats.upstream_rq_active.inc();
        self.listener.stats.rq_total.inc();
        let sending = Sending {
            host: host.clone(),
            _permit: permit,
            retries: 0,
            replay: Replay::new(&self.info.connection, self.version),
            view: view.clone(),
        };
        sending.host.request_started();
        self.acquire(Box::new(sending), host, wanted);
        Ok(())
    }

    fn acquire(&mut self, sending: Box<Sending>, host: Rc<HostView>, wanted: Wanted) {
        let acquire = Acquire::new(sending.view.clone(), host, wanted, &self.info.connection);
        self.info.host = Some(sending.host.clone());
        self.attempt = Attempt::Acquiring(sending, acquire);
    }

    /// Waits for the connection and sends the head on it.
    pub(super) fn poll_attempt(&mut self, task: &mut Context<'_>) -> Result<(), Error> {
        let Attempt::Acquiring(_, acquire) = &mut self.attempt else { return Ok(()) };
        let Poll::Ready(connection) = acquire.poll(task, &self.rt, &self.listener.worker.buffers) else {
            return Ok(());
        };
        let connection = connection?;
        self.moved = true;
        let Attempt::Acquiring(sending, _) = std::mem::replace(&mut self.attempt, Attempt::None) else { return Ok(()) };

        let mut exchange = connection.exchange(&self.listener.upstream_limits, &self.listener.worker.buffers);
        let now = self.rt.now();
        self.info.attempts += 1;
        self.info.times.upstream_ready = Some(now);
        self.info.times.upstream_request_start = Some(now);
        self.info.upstream_local = Some(exchange.local_addr().clone());
        sending.view.stats.upstream_rq_total.inc();
        sending.host.stats.rq_total.inc();
        let sent = self.send_request(&mut exchange, &sending.replay);
        self.attempt = Attempt::Open(sending, Box::new(exchange));
        sent
    }

    fn send_request(&self, exchange: &mut Exchange, replay: &Replay) -> Result<(), Error> {
        let Some(head) = &self.info.request else { return Err(Error::local(Kind::Local("no_request"))) };
        exchange.send_head(head, self.request.upgrade)?;
        replay.parts().into_iter().flatten().try_for_each(|part| exchange.send_part(part))
    }

    /// Sends a part of the request, and keeps it as long as it may have to be sent again.
    pub(super) fn forward(&mut self, part: Part) -> Result<(), Error> {
        let Attempt::Open(sending, exchange) = &mut self.attempt else {
            return Err(Error::local(Kind::Local("no_upstream")));
        };
        sending.replay.keep(&part, exchange.may_need_replay());
        if part.is_end() {
            self.info.times.upstream_request_end = Some(self.rt.now());
        }
        exchange.send_part(part)
    }

    pub(super) fn flush_upstream(&mut self, task: &mut Context<'_>) {
        let Attempt::Open(_, exchange) = &mut self.attempt else { return };
        self.moved |= exchange.flush(task);
    }

    /// The upstream answers: nothing is sent again from now on.
    pub(super) fn on_response_started(&mut self) {
        if let Attempt::Open(sending, _) = &mut self.attempt {
            sending.replay.give_up();
        }
    }

    /// Sends the request once more when that cannot do harm: the upstream said that it has not acted on it (RFC 9113
    /// section 8.7), or a kept connection was lost before any byte of a response came (RFC 9112 section 9.3.1) and nothing of
    /// the request had left or it may be sent twice. All of it must still be here.
    pub(super) fn retry(&mut self, error: Error) -> bool {
        let Attempt::Open(sending, exchange) = &self.attempt else { return false };
        let (may, most) = match error.kind {
            _ if error.side != Side::Upstream || error.phase != Phase::Request => return false,
            Kind::Unprocessed => (true, UNPROCESSED_RETRIES),
            Kind::Closed if exchange.is_reused() => {
                let idempotent = self.info.request.as_ref().is_some_and(|head| head.method.is_idempotent());
                (exchange.is_unsent() || idempotent && self.request.upgrade.is_none(), 1)
            }
            _ => return false,
        };
        if !may || sending.retries >= most || !sending.replay.is_kept() {
            return false;
        }
        let Attempt::Open(mut sending, exchange) = std::mem::replace(&mut self.attempt, Attempt::None) else {
            return false;
        };
        let host = exchange.host().clone();
        drop(exchange);
        sending.retries += 1;
        sending.view.stats.upstream_rq_retry.inc();
        if error.kind == Kind::Closed {
            sending.view.stats.upstream_rq_stale_connection_retry.inc();
        }
        self.acquire(sending, host, Wanted::Fresh);
        true
    }

    pub(super) fn attempt_view(&self) -> Option<Rc<ClusterView>> {
        match &self.attempt {
            Attempt::None => None,
            Attempt::Acquiring(sending, _) | Attempt::Open(sending, _) => Some(sending.view.clone()),
        }
    }

    /// Gives up the upstream: a local reply takes over.
    pub(super) fn drop_attempt(&mut self) {
        let attempt = std::mem::replace(&mut self.attempt, Attempt::None);
        if let Attempt::Open(sending, exchange) = attempt {
            sending.host.stats.rq_error.inc();
            exchange.abandon();
        }
    }

    /// The stream is over.
    pub(super) fn end_attempt(&mut self, outcome: Outcome, now: Instant) {
        let Attempt::Open(sending, exchange) = std::mem::replace(&mut self.attempt, Attempt::None) else { return };
        let stats = &sending.view.stats;
        match &self.info.response {
            Some(head) if self.response.is_from_upstream() => {
                stats.upstream_rq_completed.inc();
                stats.response(head.status);
                let host = &sending.host.stats;
                if head.status >= 500 {
                    host.rq_error.inc()
                } else {
                    host.rq_success.inc()
                }
                if sending.retries > 0 {
                    stats.upstream_rq_retry_success.inc();
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

impl Drop for Sending {
    fn drop(&mut self) {
        self.host.request_ended();
        self.view.stats.upstream_rq_active.dec();
    }
}

//! Getting a connection to one host: an idle one, a new one, or a turn in the queue for one.
//!
//! ```text
//!  Start --idle one--> Ready
//!    |---permit------> Connecting --connected--> Ready
//!    |                     `--refused, timed out--> error
//!    `---no permit---> Queued (holds a pending permit) --its turn--> Start, or back to the head of the queue
//! ```
//! Dropping it at any point gives everything back.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::connection::Connection;
use crate::cluster::{ClusterView, Permit, Resource};
use crate::error::{Error, Kind, Phase};
use crate::runtime::Rt;
use crate::runtime::net::{Connect, Stream};

pub struct Acquire {
    view: Rc<ClusterView>,
    host: usize,
    /// No idle connection: one of them has just turned out dead.
    fresh: bool,
    state: State,
}

enum State {
    Start,
    Queued { ticket: u64, _pending: Pending },
    Connecting { connect: Connect, permit: Option<Permit>, started: Instant },
}

/// One waiting request, counted.
struct Pending {
    view: Rc<ClusterView>,
    _permit: Permit,
}

impl Acquire {
    pub fn new(view: Rc<ClusterView>, host: usize, fresh: bool) -> Acquire {
        Acquire { view, host, fresh, state: State::Start }
    }

    pub fn host(&self) -> usize {
        self.host
    }

    /// When the connect has to be done, while there is one.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Connecting { started, .. } => Some(*started + self.view.shared.config.connect_timeout),
            _ => None,
        }
    }

    pub fn poll(&mut self, task: &mut Context<'_>, rt: &Rt) -> Poll<Result<Connection, Error>> {
        loop {
            match &mut self.state {
                State::Start => {
                    if let Some(connection) = self.idle() {
                        return Poll::Ready(Ok(connection));
                    }
                    match self.permit() {
                        Some(permit) => self.connect(permit, rt),
                        None => return self.queue(task),
                    }
                }
                State::Queued { ticket, .. } => {
                    let ticket = *ticket;
                    if self.view.pool.is_queued(ticket, task.waker()) {
                        return Poll::Pending;
                    }
                    if let Some(connection) = self.idle() {
                        self.state = State::Start;
                        return Poll::Ready(Ok(connection));
                    }
                    let Some(permit) = self.permit() else {
                        self.view.pool.rejoin(ticket, task.waker());
                        return Poll::Pending;
                    };
                    self.connect(permit, rt);
                }
                State::Connecting { connect, permit, started } => {
                    let result = match Pin::new(connect).poll(task) {
                        Poll::Pending if rt.now() >= *started + self.view.shared.config.connect_timeout => {
                            self.view.stats.upstream_cx_connect_timeout.inc();
                            Err(Kind::ConnectTimeout)
                        }
                        other => ready!(other).map_err(|_| Kind::Refused),
                    };
                    let (permit, started) = (permit.take(), *started);
                    return Poll::Ready(self.connected(result, permit, started, rt));
                }
            }
        }
    }

    fn idle(&mut self) -> Option<Connection> {
        if self.fresh { None } else { self.view.pool.take(self.host) }
    }

    /// A permit for a new connection; an idle one of another host gives up its own, and a worker's first needs none free.
    fn permit(&self) -> Option<Permit> {
        let permit = || Permit::try_new(&self.view, Resource::Connections);
        let evict = || if self.view.pool.evict_oldest() { permit() } else { None };
        permit().or_else(evict).or_else(|| Permit::for_first_connection(&self.view))
    }

    fn connect(&mut self, permit: Permit, rt: &Rt) {
        let connect = Stream::connect(rt, &self.view.host(self.host).address);
        self.state = State::Connecting { connect, permit: Some(permit), started: rt.now() };
    }

    fn queue(&mut self, task: &Context<'_>) -> Poll<Result<Connection, Error>> {
        self.view.stats.upstream_cx_overflow.inc();
        let Some(permit) = Permit::try_new(&self.view, Resource::PendingRequests) else {
            self.view.stats.upstream_rq_pending_overflow.inc();
            return Poll::Ready(Err(Error::local(Kind::Overflow)));
        };
        self.view.stats.upstream_rq_pending_total.inc();
        self.view.stats.upstream_rq_pending_active.inc();
        let pending = Pending { view: self.view.clone(), _permit: permit };
        self.state = State::Queued { ticket: self.view.pool.join(task.waker()), _pending: pending };
        Poll::Pending
    }

    fn connected(
        &mut self,
        result: Result<Stream, Kind>,
        permit: Option<Permit>,
        started: Instant,
        rt: &Rt,
    ) -> Result<Connection, Error> {
        self.state = State::Start;
        let (stream, permit) = match (result, permit) {
            (Ok(stream), Some(permit)) => (stream, permit),
            (Err(kind), _) => return Err(self.failed(kind)),
            (Ok(_), None) => return Err(self.failed(Kind::Refused)),
        };
        let now = rt.now();
        self.view.stats.upstream_cx_connect_ms.record(now.saturating_duration_since(started));
        Ok(Connection::new(&self.view, self.host, Box::new(stream), permit, now))
    }

    fn failed(&self, kind: Kind) -> Error {
        self.view.stats.upstream_cx_connect_fail.inc();
        self.view.stats.upstream_rq_pending_failure_eject.inc();
        self.view.host(self.host).stats.cx_connect_fail.inc();
        self.view.pool.wake_next();
        Error::upstream(kind, Phase::Connect)
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let State::Queued { ticket, .. } = &self.state {
            self.view.pool.leave(*ticket);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.view.stats.upstream_rq_pending_active.dec();
    }
}

//! Getting a connection to one host: an idle one, a shared one with room, a new one, or a turn in the queue for one.
//!
//! ```text
//!  Start --idle one, or HTTP/2 with room--> Ready
//!    |---permit------> Connecting --connected--> Ready
//!    |                     `--refused, timed out--> error
//!    |---HTTP/2, and one is being opened--> Waiting (holds a pending permit) --opened--> Start
//!    |                                         `--could not be opened--> error
//!    `---no permit---> Queued (holds a pending permit) --its turn--> Start, or back to the head of the queue
//! ```
//! Dropping it at any point gives everything back.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::Ready;
use super::connect::{Connect, Connected};
use super::connection::{Connection, Spoken};
use super::h2::{self, Wait};
use crate::cluster::{ClusterView, HostView, Permit, Resource};
use crate::config::{ClusterProtocol, Priority};
use crate::error::{Error, Kind, Phase};
use crate::runtime::Rt;
use crate::stream::buffers::Buffers;
use crate::stream::info::ConnectionInfo;

pub struct Acquire {
    view: Rc<ClusterView>,
    host: Rc<HostView>,
    wanted: Wanted,
    /// By which circuit breaker it is counted.
    priority: Priority,
    /// For whom.
    client: Rc<ConnectionInfo>,
    state: State,
}

/// What the connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A request.
    Any,
    /// A request, and an idle connection has just turned out dead.
    Fresh,
    /// Bytes that are not HTTP: one of its own.
    Bytes,
}

enum State {
    Start,
    Queued {
        ticket: u64,
        _pending: Pending,
    },
    /// Another request is opening a connection for all.
    Waiting {
        wait: Wait,
        _pending: Pending,
    },
    Connecting {
        connect: Connect,
        permit: Option<Permit>,
        /// Others wait for it.
        shared: bool,
    },
}

/// One waiting request, counted.
struct Pending {
    view: Rc<ClusterView>,
    _permit: Permit,
}

impl Acquire {
    pub fn new(view: Rc<ClusterView>, host: Rc<HostView>, wanted: Wanted, client: &Rc<ConnectionInfo>) -> Acquire {
        Acquire { view, host, wanted, priority: Priority::Default, client: client.clone(), state: State::Start }
    }

    pub fn of_priority(mut self, priority: Priority) -> Acquire {
        self.priority = priority;
        self
    }

    pub fn host(&self) -> &Rc<HostView> {
        &self.host
    }

    /// When to poll, even if nobody wakes, while there is a connect.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Connecting { connect, .. } => Some(connect.wake_at()),
            _ => None,
        }
    }

    pub fn poll(&mut self, task: &mut Context<'_>, rt: &Rt, buffers: &Rc<Buffers>) -> Poll<Result<Ready, Error>> {
        loop {
            match &mut self.state {
                State::Start => {
                    if let Some(ready) = self.ready() {
                        return Poll::Ready(Ok(ready));
                    }
                    if self.is_shared() && self.host.http2.is_connecting() {
                        self.wait(task)?;
                    } else if let Some(permit) = self.permit() {
                        self.connect(permit, rt);
                    } else {
                        return self.queue(task);
                    }
                }
                State::Waiting { wait, .. } => {
                    let opened = ready!(wait.poll(task));
                    self.state = State::Start;
                    if let Err(kind) = opened {
                        return Poll::Ready(Err(Error::upstream(kind, Phase::Connect)));
                    }
                }
                State::Queued { ticket, .. } => {
                    let ticket = *ticket;
                    if self.view.pool.is_queued(ticket, task.waker()) {
                        return Poll::Pending;
                    }
                    if let Some(ready) = self.ready() {
                        self.state = State::Start;
                        return Poll::Ready(Ok(ready));
                    }
                    if self.is_shared() && self.host.http2.is_connecting() {
                        // What came free is of no use here, and may be to those behind.
                        self.view.pool.rejoin(ticket, task.waker());
                        self.view.pool.pass_on(ticket);
                        return Poll::Pending;
                    }
                    let Some(permit) = self.permit() else {
                        self.view.pool.rejoin(ticket, task.waker());
                        if self.is_alone() {
                            self.view.pool.pass_on(ticket);
                        }
                        return Poll::Pending;
                    };
                    self.connect(permit, rt);
                }
                State::Connecting { connect, permit, shared } => {
                    let result = ready!(connect.poll(task, rt));
                    let (permit, shared) = (permit.take(), *shared);
                    return Poll::Ready(self.connected(result, permit, shared, rt, buffers));
                }
            }
        }
    }

    /// A connection that is there.
    fn ready(&self) -> Option<Ready> {
        if self.is_shared() {
            return self.host.http2.find().map(Ready::Http2);
        }
        let idle = if self.wanted == Wanted::Any { self.view.pool.take(&self.host) } else { None };
        idle.map(Ready::Http1)
    }

    /// The connection is one that other requests use too.
    fn is_shared(&self) -> bool {
        self.wanted != Wanted::Bytes && self.view.is_http2(&self.host)
    }

    /// A permit for a new connection; an idle one of another host gives up its own.
    fn permit(&self) -> Option<Permit> {
        let permit = || Permit::try_connection(&self.view, self.priority, &self.host);
        let other = || !self.view.shared.breaker.is_full(&self.host) && self.view.evict_oldest();
        permit().or_else(|| if other() { permit() } else { None })
    }

    /// What it waits for is not what all others wait for: its host is full, or some are of another priority.
    fn is_alone(&self) -> bool {
        let breaker = &self.view.shared.breaker;
        let used = |priority: Priority| breaker.used(priority, Resource::PendingRequests);
        breaker.is_full(&self.host) || Priority::ALL.iter().any(|it| *it != self.priority && used(*it) > 0)
    }

    fn connect(&mut self, permit: Permit, rt: &Rt) {
        let connect = Connect::start(&self.view, &self.host, &self.client, rt);
        let shared = self.is_shared();
        if shared {
            self.host.http2.begin();
        }
        self.state = State::Connecting { connect, permit: Some(permit), shared };
    }

    /// Waits for the connection that another request is opening.
    fn wait(&mut self, task: &Context<'_>) -> Result<(), Error> {
        let pending = self.pending()?;
        self.state = State::Waiting { wait: self.host.http2.wait(task), _pending: pending };
        Ok(())
    }

    fn pending(&self) -> Result<Pending, Error> {
        let Some(permit) = Permit::try_new(&self.view, self.priority, Resource::PendingRequests) else {
            self.view.stats.upstream_rq_pending_overflow.inc();
            return Err(Error::local(Kind::Overflow));
        };
        self.view.stats.upstream_rq_pending_total.inc();
        self.view.stats.upstream_rq_pending_active.inc();
        self.view.pool.count_pending(1);
        Ok(Pending { view: self.view.clone(), _permit: permit })
    }

    fn queue(&mut self, task: &Context<'_>) -> Poll<Result<Ready, Error>> {
        self.view.stats.upstream_cx_overflow.inc();
        let pending = self.pending()?;
        self.state = State::Queued { ticket: self.view.pool.join(task.waker()), _pending: pending };
        Poll::Pending
    }

    fn connected(
        &mut self,
        result: Result<Connected, Kind>,
        permit: Option<Permit>,
        shared: bool,
        rt: &Rt,
        buffers: &Rc<Buffers>,
    ) -> Result<Ready, Error> {
        self.state = State::Start;
        let (connected, permit) = match (result, permit) {
            (Ok(connected), Some(permit)) => (connected, permit),
            (Err(kind), _) => return Err(self.failed(kind, shared)),
            (Ok(_), None) => return Err(self.failed(Kind::Refused, shared)),
        };
        let now = rt.now();
        let spoken = self.spoken(&connected);
        let connection = Connection::new(&self.view, self.host.clone(), connected.transport, permit, spoken, now);
        match spoken {
            Spoken::Bytes => return Ok(Ready::Bytes(connection)),
            Spoken::Http1 => {
                if shared {
                    // It turned out to be this request's alone: the others open theirs.
                    self.host.http2.gave_up();
                }
                return Ok(Ready::Http1(connection));
            }
            Spoken::Http2 => {}
        }
        let shared = h2::Connection::start(connection, &self.view, buffers);
        self.host.http2.opened(shared.clone());
        // What is gone by now keeps none.
        if self.view.is_retired() || !self.host.is_member() {
            shared.retire(now);
        }
        Ok(Ready::Http2(shared))
    }

    /// What the configuration says, or the handshake.
    fn spoken(&self, connected: &Connected) -> Spoken {
        if self.wanted == Wanted::Bytes {
            return Spoken::Bytes;
        }
        let http2 = match self.view.shared.config.protocol {
            ClusterProtocol::H1 => false,
            ClusterProtocol::H2 => true,
            ClusterProtocol::Auto => {
                let agreed = connected.session.as_ref().and_then(|session| session.alpn.as_deref());
                self.host.http2.learn(agreed == Some(b"h2"));
                agreed == Some(b"h2")
            }
        };
        if http2 { Spoken::Http2 } else { Spoken::Http1 }
    }

    fn failed(&self, kind: Kind, shared: bool) -> Error {
        self.view.stats.upstream_rq_pending_failure_eject.inc();
        if shared {
            self.host.http2.failed(kind);
        }
        self.view.pool.wake_next();
        Error::upstream(kind, Phase::Connect)
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        match &self.state {
            State::Queued { ticket, .. } => self.view.pool.leave(*ticket),
            // Its permit comes free right after this; whoever is next looks later, in its own task.
            State::Connecting { shared, .. } => {
                if *shared {
                    self.host.http2.gave_up();
                }
                self.view.pool.wake_next();
            }
            State::Start | State::Waiting { .. } => {}
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.view.stats.upstream_rq_pending_active.dec();
        self.view.pool.count_pending(-1);
    }
}

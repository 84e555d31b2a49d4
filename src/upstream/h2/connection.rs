//! One HTTP/2 connection to a host: what requests see of it, and the task that owns its socket.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use nuncio_h2::{Reason, Side};

use super::super::connection::Connection as Socket;
use crate::cluster::{ClusterView, HostView};
use crate::error::Kind;
use crate::h2::{Driver, End, Event, Limits, Mux};
use crate::runtime::net::Addr;
use crate::runtime::{Rt, Timer};
use crate::stream::buffers::Buffers;

pub struct Connection {
    pub(super) mux: Rc<Mux>,
    host: Rc<HostView>,
    local: Addr,
    peer: Addr,
    rt: Rt,
    /// Requests sent on it.
    requests: Cell<u64>,
    /// `max_requests_per_connection`
    most: Option<u64>,
}

impl Connection {
    /// Starts a task for a socket that has just been connected, and makes it known to the cluster.
    pub fn start(socket: Socket, view: &Rc<ClusterView>, buffers: &Rc<Buffers>) -> Rc<Connection> {
        let rt = view.rt.clone();
        let limits: Arc<nuncio_h2::Limits> = view.h2_limits().clone();
        let mux = Mux::new(nuncio_h2::Connection::new(Side::Client, limits, rt.now()));
        let driver =
            Driver::with_buffers(&mux, buffers, &rt, Limits { flush: view.shared.config.http.stream_flush_timeout });
        let connection = Rc::new(Connection {
            mux: mux.clone(),
            host: socket.host.clone(),
            local: socket.transport.local_addr().clone(),
            peer: socket.transport.peer_addr().clone(),
            rt: rt.clone(),
            requests: Cell::new(0),
            most: view.shared.config.max_requests_per_connection,
        });
        let task = Task {
            connection: connection.clone(),
            socket,
            driver,
            mux,
            view: view.clone(),
            timer: rt.timer(),
            rt: rt.clone(),
            settle_by: Some(rt.now() + view.shared.config.connect_timeout),
            idle_since: None,
            streams: 0,
            retired: false,
        };
        rt.spawn_boxed(Box::pin(task.run()));
        connection
    }

    pub fn host(&self) -> &Rc<HostView> {
        &self.host
    }

    pub fn local_addr(&self) -> &Addr {
        &self.local
    }

    pub fn peer_addr(&self) -> &Addr {
        &self.peer
    }

    /// Another stream may be opened.
    pub fn has_room(&self) -> bool {
        let may = self.most.is_none_or(|most| self.requests.get() < most) && self.mux.capacity() > 0;
        // Until the host has said how many it takes, one is enough to ask of it.
        may && (self.mux.peer_connect_protocol().is_some() || self.mux.streams() == 0)
    }

    /// A request is sent; says how many there were before.
    pub(super) fn count_request(&self) -> u64 {
        let before = self.requests.get();
        self.requests.set(before + 1);
        if self.most == Some(before + 1) {
            self.mux.shutdown(self.rt.now());
        }
        before
    }

    /// No request is on it.
    pub fn is_idle(&self) -> bool {
        self.mux.streams() == 0
    }

    /// Takes no further streams; ends with the last one.
    pub fn retire(&self, now: Instant) {
        self.mux.shutdown(now);
    }

    /// Ends it now: it is idle, and others want its permit.
    pub fn evict(&self) {
        self.mux.close(Reason::NO_ERROR);
    }
}

/// Owns the socket, and with it the circuit breaker's permit.
struct Task {
    connection: Rc<Connection>,
    socket: Socket,
    driver: Driver,
    mux: Rc<Mux>,
    view: Rc<ClusterView>,
    timer: Timer,
    rt: Rt,
    /// The host's SETTINGS have to be here by then: a connection is not open before (`connect_timeout`). `None`: they are.
    settle_by: Option<Instant>,
    /// Since when no stream is on it.
    idle_since: Option<Instant>,
    /// Streams when it was last looked at.
    streams: usize,
    /// It has lived long enough and takes no further streams.
    retired: bool,
}

impl Task {
    async fn run(mut self) {
        let end = loop {
            match std::future::poll_fn(|task| self.poll(task)).await {
                Event::End(end) => break end,
                Event::Changed => self.on_changed(),
                // A client's codec yields no requests.
                Event::Request { .. } | Event::Refused { .. } => {}
            }
        };
        self.socket.closed_by_host = end == End::Closed;
        if let End::Error(kind) = end {
            self.view.stats.upstream_cx_protocol_error.inc();
            self.view.http2_stats.error(kind);
        }
        self.socket.in_request = !self.connection.is_idle();
        self.connection.host.http2.remove(&self.connection);
        if self.settle_by.is_some() {
            self.connection.host.http2.settled();
        }
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Event> {
        loop {
            let event = self.driver.poll(task, &mut *self.socket.transport);
            let (received, sent, counts) = self.driver.take_traffic();
            self.view.stats.upstream_cx_rx_bytes_total.add(received);
            self.view.stats.upstream_cx_tx_bytes_total.add(sent);
            self.view.http2_stats.count(&counts);
            if event.is_ready() {
                return event;
            }
            self.note_streams();
            if self.timer.is_set() && self.timer.has_fired() {
                self.check_time();
            }
            self.timer.set(self.deadline());
            if self.timer.poll(task).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Who waits for a connection may have a place on this one now.
    fn on_changed(&mut self) {
        if self.mux.peer_connect_protocol().is_some() && self.settle_by.take().is_some() {
            self.connection.host.http2.settled();
        }
        self.view.pool.wake_next();
    }

    /// Each stream that is gone leaves a place for one that waits.
    fn note_streams(&mut self) {
        let streams = self.mux.streams();
        for _ in streams..self.streams {
            self.view.pool.wake_next();
        }
        self.streams = streams;
        if streams > 0 {
            self.idle_since = None;
        } else if self.settle_by.is_none() && self.mux.capacity() == 0 && !self.mux.is_lost() {
            // It takes no streams and has none: others are opened in its place, so it must not stay.
            self.mux.close(Reason::NO_ERROR);
        } else {
            self.idle_since.get_or_insert(self.rt.now());
        }
    }

    /// When to look again, whatever happens.
    fn deadline(&self) -> Option<Instant> {
        let lifetime = self.socket.lifetime().filter(|_| !self.retired);
        [self.driver.deadline(), self.settle_by, self.idle_until(), lifetime].into_iter().flatten().min()
    }

    fn idle_until(&self) -> Option<Instant> {
        Some(self.idle_since? + self.view.shared.config.idle_timeout?)
    }

    fn check_time(&mut self) {
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= self.rt.now());
        if passed(self.settle_by) {
            self.settle_by = None;
            self.view.stats.upstream_cx_connect_timeout.inc();
            self.view.stats.upstream_cx_connect_fail.inc();
            self.connection.host.http2.failed(Kind::ConnectTimeout);
            self.mux.close(Reason::SETTINGS_TIMEOUT);
        } else if passed(self.socket.lifetime()) && !self.retired {
            self.retired = true;
            self.view.stats.upstream_cx_max_duration_reached.inc();
            self.connection.retire(self.rt.now());
        } else if passed(self.idle_until()) {
            self.view.stats.upstream_cx_idle_timeout.inc();
            self.idle_since = None;
            self.mux.close(Reason::NO_ERROR);
        }
    }
}

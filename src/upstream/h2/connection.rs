//! One HTTP/2 connection to a host: what requests see of it, and the task that owns its socket.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use nuncio_h2::{Reason, Side};

use super::super::connection::Connection as Socket;
use crate::cluster::ClusterView;
use crate::h2::{Driver, End, Event, Limits, Mux};
use crate::runtime::net::Addr;
use crate::runtime::{Rt, Timer};
use crate::stats::{Handle, Http2Stats};
use crate::stream::buffers::Buffers;

pub struct Connection {
    pub(super) mux: Rc<Mux>,
    host: usize,
    local: Addr,
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
        let limits: Arc<nuncio_h2::Limits> = view.h2_limits.clone();
        let mux = Mux::new(nuncio_h2::Connection::new(Side::Client, limits, rt.now()));
        let driver =
            Driver::with_buffers(&mux, buffers, &rt, Limits { flush: view.shared.config.http.stream_flush_timeout });
        let connection = Rc::new(Connection {
            mux: mux.clone(),
            host: socket.host,
            local: socket.transport.local_addr().clone(),
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
        };
        rt.spawn(task.run());
        connection
    }

    pub fn host(&self) -> usize {
        self.host
    }

    pub fn local_addr(&self) -> &Addr {
        &self.local
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
}

impl Task {
    async fn run(mut self) {
        let stats: Handle<Http2Stats> = self.view.http2_stats.clone();
        let mut idle_since = None;
        let mut settled = false;
        let end = loop {
            let event = std::future::poll_fn(|task| {
                loop {
                    let event = self.driver.poll(task, &mut *self.socket.transport);
                    let (received, sent, counts) = self.driver.take_traffic();
                    self.view.stats.upstream_cx_rx_bytes_total.add(received);
                    self.view.stats.upstream_cx_tx_bytes_total.add(sent);
                    stats.count(&counts);
                    if event.is_ready() {
                        return event;
                    }
                    if self.timer.is_set() && self.timer.has_fired() {
                        self.check_idle(&mut idle_since);
                    }
                    self.timer.set(self.deadline(&mut idle_since));
                    if self.timer.poll(task).is_pending() {
                        return Poll::Pending;
                    }
                }
            })
            .await;
            match event {
                Event::End(end) => break end,
                // Who waits for a connection may have a place on this one.
                Event::Changed => {
                    if !settled && self.mux.peer_connect_protocol().is_some() {
                        settled = true;
                        self.view.pool.http2.settled(self.connection.host);
                    }
                    self.view.pool.wake_next();
                }
                // A client's codec yields no requests.
                Event::Request { .. } | Event::Refused { .. } => {}
            }
        };
        self.socket.closed_by_host = end == End::Closed;
        if let End::Error(kind) = end {
            self.view.stats.upstream_cx_protocol_error.inc();
            stats.error(kind);
        }
        self.socket.in_request = !self.connection.is_idle();
        self.view.pool.http2.remove(&self.connection);
        if !settled {
            self.view.pool.http2.settled(self.connection.host);
        }
    }

    /// When to look again: the codec's own limits, or the end of an idle time that begins now.
    fn deadline(&self, idle_since: &mut Option<Instant>) -> Option<Instant> {
        if !self.connection.is_idle() {
            *idle_since = None;
            return self.driver.deadline();
        }
        if idle_since.is_none() {
            // A place came free, and maybe the last one.
            self.view.pool.wake_next();
        }
        let since = *idle_since.get_or_insert(self.rt.now());
        let idle = self.view.shared.config.idle_timeout.map(|limit| since + limit);
        [self.driver.deadline(), idle].into_iter().flatten().min()
    }

    fn check_idle(&self, idle_since: &mut Option<Instant>) {
        let limit = self.view.shared.config.idle_timeout;
        if let (Some(since), Some(limit)) = (*idle_since, limit)
            && self.connection.is_idle()
            && since + limit <= self.rt.now()
        {
            self.view.stats.upstream_cx_idle_timeout.inc();
            *idle_since = None;
            self.mux.close(Reason::NO_ERROR);
        }
    }
}

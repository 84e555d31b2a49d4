//! HTTP/2 towards a client: one task for the connection, one for each stream.
//!
//! ```text
//!  Open: a stream task for each request; idle after `http2_idle_timeout` without one
//!    | `max_requests_per_connection`, `max_connection_duration`, drain
//!    v
//!  Draining: GOAWAY in two steps (RFC 9113 section 6.8); what is in flight goes on
//!    | the last stream is gone; idle; an error of the client's, after GOAWAY has left
//!    v
//!  Closing: FIN, and read on for a second, so that the client sees the GOAWAY
//! ```
//! A stream task holds its `StreamHandle` to the last: its slot comes free when its work is gone (row H2-1). The tasks end by
//! themselves when the connection is lost.

mod stream;

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use nuncio_h2::{Reason, Request, Side as Role};
use nuncio_http::{BodyLength, Method, Upgrade, Version};

use super::connection::{Connection, Protocol};
use crate::error::{Error, Side};
use crate::h2::{Driver, End, Event, Limits, Mux, StreamHandle};
use crate::listener::ListenerView;
use crate::stats::{Handle, Http2Stats};
use crate::stream::Stream;
use crate::stream::buffers::ReadBuffer;
use stream::Down;

/// The most that is read from a client at a time, in bytes: what its streams leave waits beside it (row H2-10).
const READ: usize = 64 * 1024;

/// Serves a connection whose first bytes stand in `buffer`.
pub(super) async fn serve(mut connection: Connection, mut buffer: ReadBuffer) {
    connection.set_protocol(Protocol::Http2);
    let view = connection.slot.view();
    let rt = view.worker.rt.clone();
    let limits = match view.is_trusted(&connection.info) {
        // Whoever is trusted to say what the client's scheme was may say it here too.
        true => Arc::new(nuncio_h2::Limits { scheme: None, ..(*view.h2_limits).clone() }),
        false => view.h2_limits.clone(),
    };
    let mux = Mux::new(nuncio_h2::Connection::new(Role::Server, limits, rt.now()));
    buffer.limit(READ);
    let driver = Driver::new(&mux, buffer, &rt, Limits { flush: view.http.stream_flush_timeout });
    let lifetime = connection.lifetime();
    let stats = view.http2_stats.clone();
    let task = Task { connection, driver, mux, stats, lifetime, idle_at: None, draining: false };
    task.run().await;
}

struct Task {
    connection: Connection,
    driver: Driver,
    mux: Rc<Mux>,
    stats: Handle<Http2Stats>,
    lifetime: Option<Instant>,
    /// Without a stream since long enough then.
    idle_at: Option<Instant>,
    /// The client was told that no further requests are taken.
    draining: bool,
}

impl Task {
    async fn run(mut self) {
        let end = loop {
            match std::future::poll_fn(|task| self.poll(task)).await {
                Event::Request { stream, request } => self.start(stream, request),
                Event::Refused { stream, status, detail } => self.refuse(stream, status, detail),
                Event::Changed => {}
                Event::End(end) => break end,
            }
        };
        self.connection.in_request = self.mux.streams() > 0;
        match end {
            End::Closed => self.connection.ended_by = Side::Downstream,
            End::Error(kind) => {
                self.connection.ended_by = Side::Local;
                self.connection.stats.http.downstream_cx_protocol_error.inc();
                self.stats.error(kind);
            }
            End::Stalled => {
                self.connection.ended_by = Side::Local;
                self.stats.tx_flush_timeout.inc();
                return self.connection.transport.abort();
            }
            End::Local => self.connection.ended_by = Side::Local,
        }
        // The streams find the loss by themselves; nothing of the connection is needed for that.
        let Task { connection, driver, mux, .. } = self;
        drop((driver, mux));
        if end != End::Closed {
            connection.linger().await;
        }
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Event> {
        loop {
            let event = self.driver.poll(task, &mut *self.connection.transport);
            let (received, sent, counts) = self.driver.take_traffic();
            self.connection.stats.http.downstream_cx_rx_bytes_total.add(received);
            self.connection.stats.http.downstream_cx_tx_bytes_total.add(sent);
            self.stats.count(&counts);
            if event.is_ready() {
                return event;
            }
            let now = self.connection.slot.worker.rt.now();
            if self.connection.timer.is_set() && self.connection.timer.has_fired() {
                self.check_time(now);
            }
            if !self.draining && self.connection.admission.poll_drain(task).is_ready() {
                self.connection.stats.http.downstream_cx_drain_close.inc();
                self.drain(now);
                continue;
            }
            let deadline = self.deadline(now);
            self.connection.timer.set(deadline);
            if self.connection.timer.poll(task).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.mux.streams() > 0 {
            self.idle_at = None;
        } else if self.idle_at.is_none() {
            self.idle_at = self.connection.slot.view().http.http2_idle_timeout.map(|limit| now + limit);
        }
        let lifetime = if self.draining { None } else { self.lifetime };
        [self.driver.deadline(), self.idle_at, lifetime].into_iter().flatten().min()
    }

    fn check_time(&mut self, now: Instant) {
        let stats = &self.connection.stats.http;
        if self.idle_at.is_some_and(|at| at <= now) && self.mux.streams() == 0 {
            stats.downstream_cx_idle_timeout.inc();
            self.idle_at = None;
            self.mux.close(Reason::NO_ERROR);
        } else if !self.draining && self.lifetime.is_some_and(|at| at <= now) {
            stats.downstream_cx_max_duration_reached.inc();
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Instant) {
        self.draining = true;
        self.mux.shutdown(now);
    }

    /// A task for a request.
    fn start(&mut self, handle: StreamHandle, request: Request) {
        if let Some(Upgrade::Other(_)) = request.protocol {
            // RFC 9220 section 3, which says it for RFC 8441 too: 501 for a protocol that is not known here.
            return self.refuse(handle, 501, "http2.unknown_protocol");
        }
        let view = self.next_request();
        let Request { mut head, protocol, .. } = request;
        let connect = head.method == Method::Connect && protocol.is_none();
        if protocol == Some(Upgrade::Websocket) {
            // As Envoy: inside the proxy it is what it is in HTTP/1, a GET with an upgrade (RFC 8441 section 5).
            head.method = Method::Get;
        }
        if connect || protocol.is_some() {
            // What follows is the tunnel.
            head.body = BodyLength::Empty;
        }
        let start = view.worker.rt.now();
        let stream = Stream::new(view.clone(), self.connection.info.clone(), head, protocol, start);
        self.spawn(&view, handle, stream, connect);
    }

    /// A task for the answer to a request that is none.
    fn refuse(&mut self, handle: StreamHandle, status: u16, detail: &'static str) {
        let view = self.next_request();
        let error = Error::bad_request(status, detail);
        let start = view.worker.rt.now();
        let stream = Stream::refused(view.clone(), self.connection.info.clone(), Version::Http2, error, start);
        self.spawn(&view, handle, stream, false);
    }

    fn next_request(&mut self) -> Rc<ListenerView> {
        let view = self.connection.slot.view();
        self.connection.requests = self.connection.requests.saturating_add(1);
        let most = view.http.max_requests_per_connection;
        if !self.draining && most.is_some_and(|most| u64::from(self.connection.requests) >= most) {
            view.stats.downstream_cx_max_requests_reached.inc();
            self.drain(view.worker.rt.now());
        }
        view
    }

    fn spawn(&self, view: &ListenerView, handle: StreamHandle, mut stream: Box<Stream>, connect: bool) {
        let timer = view.worker.rt.timer();
        let mut down = Down::new(handle, connect);
        view.worker.rt.spawn(async move {
            let outcome = stream.run(&mut down, &timer).await;
            // First what the stream held, then its slot.
            drop(stream);
            down.finish(outcome);
        });
    }
}

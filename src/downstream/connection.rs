//! A connection with a client, whatever it speaks: its socket, its place in the listener, and its end.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::error::Side;
use crate::listener::detect::{self, Detected};
use crate::listener::{Admission, ConnectionStats, ListenerSlot};
use crate::runtime::{Timer, Transport};
use crate::stats::{Counter, Gauge};
use crate::stream::buffers::ReadBuffer;
use crate::stream::info::ConnectionInfo;

/// How long a refused or finished client may take to read what was sent.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes read for that before the others on this worker have their turn. Only time ends it: a client that sends at full speed
/// would reach any number before it looks at the answer, and be reset.
const LINGER_TURN: usize = 1 << 20;
/// Bytes of one read for that: what is thrown away needs no large buffer.
const LINGER_READ: usize = 16 * 1024;

/// What a client turned out to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
    /// Nothing that we know.
    Unknown,
}

/// One connection with a client. Dropping it closes it and counts it out.
pub struct Connection {
    pub(super) transport: Box<dyn Transport>,
    pub(super) info: Rc<ConnectionInfo>,
    pub(super) slot: Rc<ListenerSlot>,
    pub(super) timer: Timer,
    pub(super) opened: Instant,
    pub(super) requests: u32,
    /// Who ended it, and whether a request was on its way: for the stats.
    pub(super) ended_by: Side,
    pub(super) in_request: bool,
    /// Those of the listener as it was called when the connection came.
    pub(super) stats: Rc<ConnectionStats>,
    /// Counts the connection in its listener, and wakes it for a drain.
    pub(super) admission: Admission,
    /// Unknown before the first bytes.
    protocol: Option<Protocol>,
    /// Bytes that were read before it was known whose they are.
    pub(super) first: Option<Box<ReadBuffer>>,
}

impl Connection {
    pub fn new(
        transport: Box<dyn Transport>,
        info: Rc<ConnectionInfo>,
        slot: Rc<ListenerSlot>,
        admission: Admission,
    ) -> Connection {
        let view = slot.view();
        view.listener_stats.downstream_cx_total.inc();
        view.listener_stats.downstream_cx_active.inc();
        view.stats.downstream_cx_total.inc();
        view.stats.downstream_cx_active.inc();
        let rt = &slot.worker.rt;
        Connection {
            transport,
            info,
            timer: rt.timer(),
            opened: rt.now(),
            requests: 0,
            ended_by: Side::Local,
            in_request: false,
            stats: view.connection_stats.clone(),
            admission,
            protocol: None,
            first: None,
            slot,
        }
    }

    /// The first bytes have told what the client speaks.
    pub(super) fn set_protocol(&mut self, protocol: Protocol) {
        if self.protocol.is_none() {
            self.protocol = Some(protocol);
            if let Some((total, active)) = self.of(protocol) {
                total.inc();
                active.inc();
            }
        }
    }

    /// Reads until it is known what the client speaks. What stops before that is HTTP/1's to answer. `None`: nothing has come
    /// yet, and a client that is silent holds no buffer.
    pub(super) async fn detect(&mut self, buffer: &mut ReadBuffer) -> Option<Protocol> {
        // RFC 9113 section 3.3: what the handshake agreed on is spoken.
        match self.info.tls.as_ref().and_then(|session| session.alpn.as_deref()) {
            Some(b"h2") => return Some(Protocol::Http2),
            Some(b"http/1.1" | b"http/1.0") => return Some(Protocol::Http1),
            _ => {}
        }
        let view = self.slot.view();
        match (view.http.versions.h1, view.http.versions.h2) {
            (true, false) => return Some(Protocol::Http1),
            (false, true) => return Some(Protocol::Http2),
            _ => {}
        }
        self.timer.set(view.http.request_headers_timeout.map(|limit| view.worker.rt.now() + limit));
        std::future::poll_fn(|task| {
            loop {
                match detect::http(&buffer.bytes) {
                    Detected::Http1 => return Poll::Ready(Some(Protocol::Http1)),
                    Detected::Http2 => return Poll::Ready(Some(Protocol::Http2)),
                    Detected::Unknown => return Poll::Ready(Some(Protocol::Unknown)),
                    Detected::NeedMore => {}
                }
                match buffer.poll_fill(task, &mut *self.transport, usize::MAX) {
                    Poll::Ready(Ok(read)) if read > 0 => {
                        self.stats.http.downstream_cx_rx_bytes_total.add(read as u64);
                    }
                    Poll::Ready(_) => return Poll::Ready(Some(Protocol::Http1)),
                    Poll::Pending if buffer.bytes.is_empty() => return Poll::Ready(None),
                    Poll::Pending => return self.timer.poll(task).map(|()| Some(Protocol::Http1)),
                }
            }
        })
        .await
    }

    /// Nothing has come yet.
    pub(super) fn is_new(&self) -> bool {
        self.protocol.is_none()
    }

    fn of(&self, protocol: Protocol) -> Option<(&Counter, &Gauge)> {
        let stats = &self.stats.http;
        match protocol {
            Protocol::Http1 => Some((&stats.downstream_cx_http1_total, &stats.downstream_cx_http1_active)),
            Protocol::Http2 => Some((&stats.downstream_cx_http2_total, &stats.downstream_cx_http2_active)),
            Protocol::Unknown => None,
        }
    }

    /// When it has lived long enough (`max_connection_duration`).
    pub(super) fn lifetime(&self) -> Option<Instant> {
        self.slot.view().http.max_connection_duration.map(|limit| self.opened + limit)
    }

    /// Says over TLS that this is the end: without it a client takes what it got for cut (RFC 8446 section 6.1). On plain
    /// text the end itself says so.
    pub(super) async fn close(&mut self) {
        if self.info.tls.is_none() {
            return;
        }
        self.timer.set_after(CLOSE_TIMEOUT);
        std::future::poll_fn(|task| match self.transport.poll_close(task) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => self.timer.poll(task),
        })
        .await;
    }

    /// Says that nothing more comes, and reads what the client still sends, so that the kernel does not reset the
    /// connection before the client has read our last words (RFC 9112 section 9.6).
    pub(super) async fn linger(mut self) {
        let mut waste = ReadBuffer::new(&self.slot.worker.buffers);
        self.timer.set_after(CLOSE_TIMEOUT);
        std::future::poll_fn(|task| {
            if self.timer.poll(task).is_ready() {
                self.slot.view().stats.downstream_cx_delayed_close_timeout.inc();
                return Poll::Ready(());
            }
            self.poll_linger(task, &mut waste)
        })
        .await;
    }

    fn poll_linger(&mut self, task: &mut Context<'_>, waste: &mut ReadBuffer) -> Poll<()> {
        if let Poll::Ready(Err(_)) = self.transport.poll_close(task) {
            return Poll::Ready(());
        }
        let mut wasted = 0;
        while wasted < LINGER_TURN {
            waste.bytes.clear();
            match ready!(waste.poll_fill(task, &mut *self.transport, LINGER_READ)) {
                Ok(read) if read > 0 => wasted += read,
                _ => return Poll::Ready(()),
            }
        }
        self.slot.worker.rt.yield_to_io(task);
        Poll::Pending
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let lived = self.slot.worker.rt.now().saturating_duration_since(self.opened);
        self.stats.listener.downstream_cx_active.dec();
        self.stats.listener.downstream_cx_destroy.inc();
        self.stats.listener.downstream_cx_length_ms.record(lived);
        if let Some((_, active)) = self.protocol.and_then(|protocol| self.of(protocol)) {
            active.dec();
        }
        let stats = &self.stats.http;
        stats.downstream_cx_active.dec();
        stats.downstream_cx_destroy.inc();
        let (ended, in_request) = match self.ended_by {
            Side::Downstream => (&stats.downstream_cx_destroy_remote, &stats.downstream_cx_destroy_remote_active_rq),
            _ => (&stats.downstream_cx_destroy_local, &stats.downstream_cx_destroy_local_active_rq),
        };
        ended.inc();
        if self.in_request {
            stats.downstream_cx_destroy_active_rq.inc();
            in_request.inc();
        }
        stats.downstream_cx_length_ms.record(lived);
    }
}

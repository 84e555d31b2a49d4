//! The connection's own task: it alone touches the socket.
//!
//! ```text
//!  Open --error of the codec--> Ending (GOAWAY is on its way) --flushed, or a second passed--> ended
//!    |---closed, broken socket, nothing written for too long-----------------------------> ended
//!    `---drained, idle (the owner says `Mux::close`)-->  Ending
//! ```
//! One turn: read and parse until there is nothing to read or this turn's share is used up (row H2-18), then let the codec
//! fill the output and write until the socket takes no more, then wake the streams that have room again.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_h2::{Counts, ErrorKind, Recv, Request, StreamRef};
use nuncio_http::Method;

use super::entry::Lost;
use super::mux::{Core, Mux};
use super::stream::StreamHandle;
use crate::runtime::{Rt, Transport};
use crate::stream::WATERMARK;
use crate::stream::buffers::{Buffers, ReadBuffer};
use crate::stream::flush::poll_flush;

/// Events of one turn, and new streams of one turn, before the others on this worker have theirs (row H2-18).
const EVENTS: usize = 64;
const STREAMS: usize = 16;
/// Bytes read in one turn: what streams leave of them pins the buffers they were read into until the next turn begins.
const BYTES: usize = 256 * 1024;
/// Bytes that are made frames at a time, ahead of the socket.
const OUTPUT: usize = 64 * 1024;
/// How long a last GOAWAY may take to leave.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the owner sets.
pub(crate) struct Limits {
    /// The peer takes no byte of what is there for this long: the connection ends.
    pub(crate) flush: Option<Duration>,
}

/// What the owner has to act on.
pub(crate) enum Event {
    Request {
        stream: StreamHandle,
        request: Request,
    },
    /// A request that is to be answered with this status.
    Refused {
        stream: StreamHandle,
        status: u16,
        detail: &'static str,
    },
    /// Limits of the peer changed, or it takes no further streams.
    Changed,
    /// Nothing more comes or goes.
    End(End),
}

/// How the connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer closed it, or it broke.
    Closed,
    /// The peer broke a rule or a limit; it was told so.
    Error(ErrorKind),
    /// We were done with it; the peer was told so.
    Local,
    /// The peer took nothing for too long.
    Stalled,
}

pub(crate) struct Driver {
    mux: Rc<Mux>,
    buffer: ReadBuffer,
    rt: Rt,
    limits: Limits,
    /// What is decided, while last words are on their way.
    end: Option<End>,
    /// The peer has to take something until then.
    flush_at: Option<Instant>,
    /// Events and new streams of this turn.
    events: usize,
    streams: usize,
    /// Bytes read in this turn.
    bytes: usize,
    /// Bytes read and written since they were last asked for.
    received: u64,
    sent: u64,
}

impl Driver {
    /// `buffer` may hold bytes that were read before it was known what they are.
    pub(crate) fn new(mux: &Rc<Mux>, buffer: ReadBuffer, rt: &Rt, limits: Limits) -> Driver {
        Driver {
            mux: mux.clone(),
            buffer,
            rt: rt.clone(),
            limits,
            end: None,
            flush_at: None,
            events: 0,
            streams: 0,
            bytes: 0,
            received: 0,
            sent: 0,
        }
    }

    pub(crate) fn with_buffers(mux: &Rc<Mux>, buffers: &Rc<Buffers>, rt: &Rt, limits: Limits) -> Driver {
        Driver::new(mux, ReadBuffer::new(buffers), rt, limits)
    }

    /// Bytes read and written, and what the codec counted, since the last call.
    pub(crate) fn take_traffic(&mut self) -> (u64, u64, Counts) {
        let traffic = (std::mem::take(&mut self.received), std::mem::take(&mut self.sent));
        (traffic.0, traffic.1, self.mux.core().codec.take_counts())
    }

    /// When to poll again, whatever happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let codec = if self.end.is_none() { self.mux.core().codec.deadline() } else { None };
        [codec, self.flush_at].into_iter().flatten().min()
    }

    /// Moves bytes both ways until there is something for the owner, or nothing to do.
    pub(crate) fn poll(&mut self, task: &mut Context<'_>, transport: &mut dyn Transport) -> Poll<Event> {
        let mux = self.mux.clone();
        mux.core().park_task(task);
        if self.events == 0 {
            // A turn begins: the streams had their chance to take what the last one brought.
            mux.core().own_queued();
        }
        loop {
            let mut busy = false;
            let congested = mux.core().codec.is_congested();
            if self.end.is_none() {
                match self.read(task, transport, &mux) {
                    Poll::Ready(Some(event)) => return Poll::Ready(event),
                    Poll::Ready(None) => busy = true,
                    Poll::Pending => {}
                }
            }
            self.check_time(&mux);
            if let Some(end) = self.write(task, transport, &mux) {
                mux.core().lose(Lost::Closed);
                return Poll::Ready(Event::End(end));
            }
            mux.core().wake_unblocked(WATERMARK);
            self.events = 0;
            self.streams = 0;
            self.bytes = 0;
            if busy {
                self.rt.yield_to_io(task);
            } else if mux.core().codec.streams() == 0 {
                self.buffer.release();
            }
            // What a shutdown or the ledger has begun may be complete now.
            if self.end.is_none() && mux.core().codec.is_drained() {
                self.end = Some(End::Local);
                continue;
            }
            if !busy && congested && self.end.is_none() && !mux.core().codec.is_congested() {
                // Nothing was read for that reason alone.
                continue;
            }
            return Poll::Pending;
        }
    }

    /// Reads and parses. `Ready(None)`: this turn's share is used up.
    fn read(&mut self, task: &mut Context<'_>, transport: &mut dyn Transport, mux: &Rc<Mux>) -> Poll<Option<Event>> {
        loop {
            let mut core = mux.core();
            if core.codec.is_congested() {
                // Replies wait for the socket: the peer is to read them before it is read from (row H2-6).
                return Poll::Pending;
            }
            if self.events >= EVENTS || self.streams >= STREAMS {
                return Poll::Ready(None);
            }
            let received = core.codec.recv(&mut self.buffer.bytes, self.rt.now());
            match received {
                Ok(Recv::NeedMore) => {
                    drop(core);
                    // The streams may take what holds the buffer; then the next turn needs no other.
                    if self.bytes >= BYTES || self.bytes > 0 && self.buffer.must_move() {
                        return Poll::Ready(None);
                    }
                    match self.buffer.poll_fill(task, transport, usize::MAX) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(read)) if read > 0 => {
                            self.received += read as u64;
                            self.bytes += read;
                        }
                        Poll::Ready(_) => {
                            mux.core().lose(Lost::Closed);
                            self.end = Some(End::Closed);
                            return Poll::Pending;
                        }
                    }
                }
                Ok(event) => {
                    self.events += 1;
                    if let Some(event) = self.on_event(event, &mut core, mux) {
                        return Poll::Ready(Some(event));
                    }
                }
                Err(error) => {
                    self.fail(error.kind, &mut core);
                    return Poll::Pending;
                }
            }
        }
    }

    fn on_event(&mut self, event: Recv, core: &mut Core, mux: &Rc<Mux>) -> Option<Event> {
        match event {
            Recv::NeedMore => {}
            Recv::Request { stream, request, end } => {
                self.streams += 1;
                core.enter(stream);
                if end && request.head.method == Method::Connect {
                    // A tunnel has no body that its head could end: the end is passed on like any other.
                    receive(core, stream, |entry| entry.push_data(Bytes::new(), true));
                }
                return Some(Event::Request { stream: StreamHandle::new(mux.clone(), stream), request });
            }
            Recv::Refused { stream, status, detail } => {
                self.streams += 1;
                core.enter(stream);
                let stream = StreamHandle::new(mux.clone(), stream);
                return Some(Event::Refused { stream, status, detail });
            }
            Recv::Response { stream, head, end } => receive(core, stream, |entry| entry.push_head(head, end)),
            Recv::Data { stream, chunk, end } => core.receive_data(stream, chunk, end),
            Recv::Trailers { stream, trailers } => receive(core, stream, |entry| entry.push_trailers(trailers)),
            Recv::Reset { stream, reset } => receive(core, stream, |entry| {
                entry.lost.get_or_insert(Lost::Reset(reset));
            }),
            Recv::Settings => {
                core.wake_for_settings();
                return Some(Event::Changed);
            }
            Recv::Goaway { .. } => {
                // Nothing new comes of this connection: it ends with its last stream.
                core.codec.shutdown(self.rt.now());
                return Some(Event::Changed);
            }
        }
        None
    }

    /// Limits of time.
    fn check_time(&mut self, mux: &Rc<Mux>) {
        let now = self.rt.now();
        if self.flush_at.is_some_and(|at| at <= now) {
            self.end = Some(self.end.unwrap_or(End::Stalled));
            mux.core().codec.output().clear();
            return;
        }
        let mut core = mux.core();
        if self.end.is_none()
            && core.codec.deadline().is_some_and(|at| at <= now)
            && let Err(error) = core.codec.handle_timeout(now)
        {
            self.fail(error.kind, &mut core);
        }
    }

    /// The codec has said its last words, because of the peer or because we wanted it so.
    fn fail(&mut self, kind: ErrorKind, core: &mut Core) {
        let (lost, end) = match kind {
            ErrorKind::Closed => (Lost::Closed, End::Local),
            kind => (Lost::Protocol(kind.detail()), End::Error(kind)),
        };
        core.lose(lost);
        self.end = Some(end);
        self.flush_at = Some(self.rt.now() + LAST_WORDS);
    }

    /// Writes what there is. Says how the connection ended when it has.
    fn write(&mut self, task: &mut Context<'_>, transport: &mut dyn Transport, mux: &Rc<Mux>) -> Option<End> {
        if self.end == Some(End::Closed) {
            return self.end;
        }
        let before = self.sent;
        let stuck = loop {
            let mut core = mux.core();
            if self.end.is_none() {
                core.codec.fill(OUTPUT);
            }
            if core.codec.output().is_empty() {
                core.codec.on_flushed();
                break false;
            }
            let (opened, already) = (core.opened, self.sent);
            let flushed = poll_flush(task, transport, core.codec.output(), &mut self.sent);
            if self.sent > already {
                core.left = opened;
            }
            match flushed {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Some(self.end.unwrap_or(End::Closed)),
                Poll::Pending => break true,
            }
        };
        mux.core().offered(stuck);
        if !stuck {
            if self.end.is_some() {
                return self.end;
            }
            self.flush_at = None;
        } else if self.end.is_none() && (self.flush_at.is_none() || self.sent > before) {
            self.flush_at = self.limits.flush.map(|limit| self.rt.now() + limit);
        }
        None
    }
}

/// Puts something into a stream's entry and wakes it; a stream that is gone gets nothing.
fn receive(core: &mut Core, stream: StreamRef, put: impl FnOnce(&mut super::entry::Entry)) {
    if let Some(entry) = core.entry(stream) {
        put(entry);
        entry.wake();
    }
}

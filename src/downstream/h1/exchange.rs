//! One connection while requests are on it: the codec, its buffers, and the client's end of the current stream.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use nuncio_h1::{Recv, Request, Server};
use nuncio_http::{Output, ResponseHead, Version};

use super::Next;
use crate::error::{Error, Kind, Timeout};
use crate::filter::{Chunk, Part};
use crate::listener::{ListenerSlot, ListenerView};
use crate::runtime::{Hangup, Timer, Transport};
use crate::stats::HttpStats;
use crate::stream::buffers::ReadBuffer;
use crate::stream::flush::poll_flush;
use crate::stream::info::ConnectionInfo;
use crate::stream::{DRAIN_LIMIT, Downstream, Outcome, Stream, WATERMARK};

/// How long what is left of a request body is read after its response.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the connection holds while a request is on its way.
pub(super) struct Exchange<'a> {
    pub(super) slot: &'a ListenerSlot,
    pub(super) transport: &'a mut dyn Transport,
    pub(super) codec: Server,
    pub(super) buffer: ReadBuffer,
    pub(super) output: Output,
    pub(super) stats: &'a HttpStats,
    /// When the first byte of the current head came.
    pub(super) head_start: Instant,
    /// Bytes that the socket took.
    pub(super) sent: u64,
    pub(super) closed: bool,
}

impl Exchange<'_> {
    /// The head of the next request. `None`: there is none yet, or the client closed between two.
    pub(super) async fn read_head(
        &mut self,
        view: &ListenerView,
        timer: &Timer,
        slot: &ListenerSlot,
    ) -> Result<Option<Request>, Error> {
        self.head_start = slot.worker.rt.now();
        timer.set(view.http.request_headers_timeout.map(|limit| slot.worker.rt.now() + limit));
        std::future::poll_fn(|task| {
            loop {
                match self.codec.recv(&mut self.buffer.bytes).map_err(|error| protocol(view, error))? {
                    Recv::Head { head, .. } => return Poll::Ready(Ok(Some(head))),
                    Recv::Eof => return Poll::Ready(Ok(None)),
                    _ => {}
                }
                let filled = self.buffer.poll_fill(task, self.transport, usize::MAX);
                match filled {
                    Poll::Ready(Ok(0)) => {
                        let clean = self.codec.recv_eof(&self.buffer.bytes).is_ok();
                        return Poll::Ready(if clean { Ok(None) } else { Err(Error::downstream(Kind::Closed)) });
                    }
                    Poll::Ready(Ok(read)) => self.stats.downstream_cx_rx_bytes_total.add(read as u64),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Error::downstream(Kind::Closed))),
                    Poll::Pending if self.codec.is_idle() && self.buffer.bytes.is_empty() => {
                        return Poll::Ready(Ok(None));
                    }
                    Poll::Pending => {
                        ready!(timer.poll(task));
                        view.stats.downstream_rq_header_timeout.inc();
                        return Poll::Ready(Err(Error::downstream(Kind::Timeout(Timeout::RequestHeaders))));
                    }
                }
            }
        })
        .await
    }

    /// Answers what could not be read as a request, as a stream of its own: it is logged and counted like any other.
    pub(super) async fn refuse(
        &mut self,
        view: &Rc<ListenerView>,
        info: &Rc<ConnectionInfo>,
        error: Error,
        timer: &Timer,
    ) -> Next {
        if error.kind == Kind::Closed {
            return Next::Gone;
        }
        self.codec.close_after_response();
        let mut stream = Stream::refused(view.clone(), info.clone(), Version::Http11, error, self.head_start);
        match stream.run(self, timer).await {
            Outcome::Complete => Next::Linger,
            Outcome::Abort => Next::Abort,
            Outcome::Gone => Next::Gone,
        }
    }

    /// Reads what is left of the request after its response went out (row S-14). False: too much, or too slow.
    pub(super) async fn drain(&mut self, timer: &Timer, view: &ListenerView) -> bool {
        if self.codec.request_done() {
            return true;
        }
        if self.codec.will_close() {
            return false;
        }
        timer.set(Some(view.worker.rt.now() + DRAIN_TIMEOUT));
        let mut drained = 0;
        std::future::poll_fn(|task| {
            while !self.codec.request_done() {
                match self.poll_recv(task) {
                    Poll::Ready(Ok(Part::Data { chunk, .. })) => drained += chunk.len() as u64,
                    Poll::Ready(Ok(Part::Trailers(_))) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending => return timer.poll(task).map(|()| false),
                }
                if drained > DRAIN_LIMIT {
                    return Poll::Ready(false);
                }
            }
            Poll::Ready(true)
        })
        .await
    }
}

impl Downstream for Exchange<'_> {
    fn poll_recv(&mut self, task: &mut Context<'_>) -> Poll<Result<Part, Error>> {
        loop {
            let part = self.codec.recv(&mut self.buffer.bytes);
            return Poll::Ready(Ok(
                match part.map_err(|error| Error::bad_request(error.status(), error.detail()))? {
                    Recv::NeedMore => match ready!(self.buffer.poll_fill(task, self.transport, usize::MAX)) {
                        Ok(0) => match self.codec.recv_eof(&self.buffer.bytes) {
                            Ok(_) => Part::Data { chunk: Chunk::default(), end: true },
                            Err(_) => return Poll::Ready(Err(Error::downstream(Kind::Closed))),
                        },
                        Ok(read) => {
                            self.stats.downstream_cx_rx_bytes_total.add(read as u64);
                            continue;
                        }
                        Err(_) => return Poll::Ready(Err(Error::downstream(Kind::Closed))),
                    },
                    Recv::Data { chunk, end } => Part::Data { chunk: Chunk::from(chunk), end },
                    Recv::Tunnel(bytes) => Part::Data { chunk: Chunk::from(bytes), end: false },
                    Recv::Trailers(trailers) => Part::Trailers(trailers),
                    Recv::End | Recv::Eof => Part::Data { chunk: Chunk::default(), end: true },
                    Recv::Paused | Recv::Head { .. } => return Poll::Pending,
                },
            ));
        }
    }

    fn send_continue(&mut self) {
        self.codec.send_continue(&mut self.output);
    }

    fn send_interim(&mut self, head: &ResponseHead) -> Result<(), Error> {
        self.codec.send_interim(head, &mut self.output).map_err(local)
    }

    fn send_head(&mut self, head: &ResponseHead, _end: bool) -> Result<(), Error> {
        if self.slot.connections.is_draining() {
            self.slot.view().stats.downstream_cx_drain_close.inc();
            self.codec.close_after_response();
        }
        self.codec.send_head(head, &mut self.output).map_err(local)
    }

    fn send_part(&mut self, part: Part) -> Result<(), Error> {
        match part {
            Part::Data { chunk, end } => {
                for piece in chunk.into_pieces() {
                    self.codec.send_data(piece, false, &mut self.output).map_err(local)?;
                }
                if end {
                    self.codec.send_data(bytes::Bytes::new(), true, &mut self.output).map_err(local)?;
                }
                Ok(())
            }
            Part::Trailers(trailers) => self.codec.send_trailers(&trailers, &mut self.output).map_err(local),
        }
    }

    fn poll_room(&mut self, _task: &mut Context<'_>) -> Poll<usize> {
        // The socket wakes whoever flushes.
        if self.output.len() < WATERMARK { Poll::Ready(usize::MAX) } else { Poll::Pending }
    }

    fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.output.is_empty() {
            let before = self.sent;
            let flushed = poll_flush(task, self.transport, &mut self.output, &mut self.sent);
            self.stats.downstream_cx_tx_bytes_total.add(self.sent - before);
            if ready!(flushed).is_err() {
                self.output.clear();
                return Poll::Ready(Err(Error::downstream(Kind::Closed)));
            }
        }
        // The upstream has half-closed the tunnel: so do we, once everything is out.
        if self.codec.is_tunnel() && self.codec.response_done() && !self.closed {
            ready!(self.transport.poll_close(task)).map_err(|_| Error::downstream(Kind::Closed))?;
            self.closed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_hangup(&mut self, task: &mut Context<'_>) -> Poll<Hangup> {
        if self.codec.is_tunnel() {
            // The end of one way is no end of the tunnel.
            return self.transport.poll_reset(task).map(|()| Hangup::Reset);
        }
        self.transport.poll_hangup(task)
    }

    fn is_tunnel(&self) -> bool {
        self.codec.is_tunnel()
    }

    fn can_drain(&self, limit: u64) -> bool {
        self.codec.body_remaining().is_some_and(|left| left <= limit) && !self.codec.continue_pending()
    }

    fn close_after_response(&mut self) {
        self.codec.close_after_response();
    }
}

fn protocol(view: &ListenerView, error: nuncio_h1::Error) -> Error {
    view.stats.downstream_cx_protocol_error.inc();
    if error == nuncio_h1::Error::Underscore {
        view.stats.http1_requests_rejected_with_underscores_in_headers.inc();
    }
    Error::bad_request(error.status(), error.detail())
}

/// What we are about to send is not fit to be sent: the upstream, a filter or the configuration made it so.
fn local(error: nuncio_h1::EncodeError) -> Error {
    Error::local(Kind::Local(error.detail()))
}

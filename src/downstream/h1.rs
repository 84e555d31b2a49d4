//! HTTP/1 towards a client: one task a connection, which runs its requests one after the other.
//!
//! ```text
//!  Idle: no buffers, no codec; the socket and a timer        (accept, or the response before is out)
//!    | first byte
//!    v
//!  Busy: read head -> Stream::run -> drain what is left of the request -> next request, or Idle
//!    | error, limit, `Connection: close`, drain
//!    v
//!  Closing: send FIN, read on until the client closes or a second has passed, so that it sees the response
//! ```
//! The busy part is a future of its own on the heap, so that thousands of idle connections do not pay for its size.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use nuncio_h1::{Recv, Request, Server};
use nuncio_http::{Output, ResponseHead};

use crate::error::{Error, Kind, Timeout};
use crate::filter::{Chunk, Part};
use crate::listener::{Admission, ListenerSlot, ListenerView};
use crate::runtime::{Hangup, Timer, Transport};
use crate::stream::buffers::ReadBuffer;
use crate::stream::flush::poll_flush;
use crate::stream::info::ConnectionInfo;
use crate::stream::{DRAIN_LIMIT, Downstream, Outcome, Stream};

/// How long a refused or finished client may take to read what was sent, and how long a request body is drained.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was accepted just before a drain may still bring its request.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// One connection with a client.
pub struct Connection {
    transport: Box<dyn Transport>,
    info: Rc<ConnectionInfo>,
    slot: Rc<ListenerSlot>,
    timer: Timer,
    opened: Instant,
    requests: u64,
    /// Counts the connection in its listener, and wakes it for a drain.
    admission: Admission,
}

/// What the connection holds while a request is on its way.
struct Exchange<'a> {
    transport: &'a mut dyn Transport,
    codec: Server,
    buffer: ReadBuffer,
    output: Output,
    sent: u64,
    received: u64,
    closed: bool,
}

/// What comes after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Idle,
    /// The client asked for it, or is gone: nothing can be on its way to us.
    Close,
    /// We want it, and the client may be sending.
    Linger,
    /// The client must not take what it got for the whole.
    Abort,
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
        view.stats.downstream_cx_http1_total.inc();
        view.stats.downstream_cx_http1_active.inc();
        let rt = &slot.worker.rt;
        Connection { transport, info, timer: rt.timer(), opened: rt.now(), requests: 0, admission, slot }
    }

    /// Serves requests until one side has had enough.
    pub async fn serve(mut self) {
        while self.idle().await {
            match Box::pin(self.busy()).await {
                Next::Idle => {}
                Next::Close => return,
                Next::Linger => return self.linger().await,
                Next::Abort => return self.transport.abort(),
            }
        }
    }

    /// Waits for the first byte of a request. False: none will be served.
    async fn idle(&mut self) -> bool {
        let view = self.slot.view();
        let now = self.slot.worker.rt.now();
        // The first request is due like any head: a client that connects and says nothing is no keep-alive client.
        let limit = if self.requests == 0 { view.http.request_headers_timeout } else { view.http.idle_timeout };
        let lifetime = view.http.max_connection_duration.map(|limit| self.opened + limit);
        self.timer.set([limit.map(|limit| now + limit), lifetime].into_iter().flatten().min());
        drop(view);
        std::future::poll_fn(|task| {
            if self.transport.poll_readable(task).is_ready() {
                return Poll::Ready(true);
            }
            if self.timer.poll(task).is_ready() {
                self.slot.view().stats.downstream_cx_idle_timeout.inc();
                return Poll::Ready(false);
            }
            ready!(self.admission.poll_drain(task));
            let grace = self.opened + DRAIN_GRACE;
            if self.requests > 0 || self.slot.worker.rt.now() >= grace {
                return Poll::Ready(false);
            }
            self.timer.set(Some(grace));
            self.timer.poll(task).map(|()| false)
        })
        .await
    }

    /// Serves requests as long as they come without a pause.
    async fn busy(&mut self) -> Next {
        let mut view = self.slot.view();
        let mut exchange = Exchange {
            transport: &mut *self.transport,
            codec: Server::new(view.limits.clone()),
            buffer: ReadBuffer::new(&self.slot.worker.buffers),
            output: Output::new(),
            sent: 0,
            received: 0,
            closed: false,
        };
        let next = loop {
            let request = match exchange.read_head(&view, &self.timer, &self.slot).await {
                Ok(Some(request)) => request,
                Ok(None) if exchange.codec.will_close() => break Next::Close,
                Ok(None) => break Next::Idle,
                Err(error) => break exchange.refuse(&view, &self.info, error, &self.timer).await,
            };
            self.requests += 1;
            let outlived =
                view.http.max_connection_duration.is_some_and(|limit| view.worker.rt.now() >= self.opened + limit);
            if view.http.max_requests_per_connection.is_some_and(|most| self.requests >= most) {
                view.stats.downstream_cx_max_requests_reached.inc();
                exchange.codec.close_after_response();
            } else if outlived {
                view.stats.downstream_cx_max_duration_reached.inc();
                exchange.codec.close_after_response();
            }
            let mut stream = Stream::new(view.clone(), self.info.clone(), request.head, request.upgrade);
            let outcome = stream.run(&mut exchange, &self.timer).await;
            drop(stream);
            if outcome == Outcome::Abort {
                // What came before the end is the client's, as far as its socket takes it at once.
                std::future::poll_fn(|task| Poll::Ready(_ = exchange.poll_flush(task))).await;
                break Next::Abort;
            }
            let drained = exchange.drain(&self.timer, &view).await;
            if !drained || !exchange.codec.next_request() {
                let quiet = drained && exchange.buffer.bytes.is_empty() && !exchange.codec.keep_alive_wanted();
                break if quiet { Next::Close } else { Next::Linger };
            }
            if exchange.buffer.bytes.is_empty() && !exchange.transport.has_pending_read() {
                break Next::Idle;
            }
            view = self.slot.view();
        };
        view.stats.downstream_cx_rx_bytes_total.add(exchange.received);
        view.stats.downstream_cx_tx_bytes_total.add(exchange.sent);
        next
    }

    /// Says that nothing more comes, and reads what the client still sends, so that the kernel does not reset the
    /// connection before the client has read our last words (RFC 9112 section 9.6).
    async fn linger(mut self) {
        let mut waste = ReadBuffer::new(&self.slot.worker.buffers);
        self.timer.set_after(CLOSE_TIMEOUT);
        std::future::poll_fn(|task| {
            if self.timer.poll(task).is_ready() {
                self.slot.view().stats.downstream_cx_delayed_close_timeout.inc();
                return Poll::Ready(());
            }
            if let Poll::Ready(Err(_)) = self.transport.poll_close(task) {
                return Poll::Ready(());
            }
            loop {
                waste.bytes.clear();
                let read = ready!(waste.poll_fill(task, &mut *self.transport));
                if read.unwrap_or(0) == 0 {
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let view = self.slot.view();
        let lived = view.worker.rt.now().saturating_duration_since(self.opened);
        view.listener_stats.downstream_cx_active.dec();
        view.listener_stats.downstream_cx_destroy.inc();
        view.listener_stats.downstream_cx_length_ms.record(lived);
        view.stats.downstream_cx_active.dec();
        view.stats.downstream_cx_http1_active.dec();
        view.stats.downstream_cx_destroy.inc();
        view.stats.downstream_cx_length_ms.record(lived);
    }
}

impl Exchange<'_> {
    /// The head of the next request. `None`: there is none yet, or the client closed between two.
    async fn read_head(
        &mut self,
        view: &ListenerView,
        timer: &Timer,
        slot: &ListenerSlot,
    ) -> Result<Option<Request>, Error> {
        timer.set(view.http.request_headers_timeout.map(|limit| slot.worker.rt.now() + limit));
        std::future::poll_fn(|task| {
            loop {
                match self.codec.recv(&mut self.buffer.bytes).map_err(|error| protocol(view, error))? {
                    Recv::Head { head, .. } => return Poll::Ready(Ok(Some(head))),
                    Recv::Eof => return Poll::Ready(Ok(None)),
                    _ => {}
                }
                let filled = self.buffer.poll_fill(task, self.transport);
                match filled {
                    Poll::Ready(Ok(0)) => {
                        let clean = self.codec.recv_eof(&self.buffer.bytes).is_ok();
                        return Poll::Ready(if clean { Ok(None) } else { Err(Error::downstream(Kind::Closed)) });
                    }
                    Poll::Ready(Ok(read)) => self.received += read as u64,
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
    async fn refuse(
        &mut self,
        view: &Rc<ListenerView>,
        info: &Rc<ConnectionInfo>,
        error: Error,
        timer: &Timer,
    ) -> Next {
        if error.kind == Kind::Closed {
            view.stats.downstream_cx_destroy_remote_active_rq.inc();
            return Next::Abort;
        }
        self.codec.close_after_response();
        let mut stream = Stream::refused(view.clone(), info.clone(), error);
        match stream.run(self, timer).await {
            Outcome::Complete => Next::Linger,
            Outcome::Abort => Next::Abort,
        }
    }

    /// Reads what is left of the request after its response went out (row S-14). False: too much, or too slow.
    async fn drain(&mut self, timer: &Timer, view: &ListenerView) -> bool {
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
                    Recv::NeedMore => match ready!(self.buffer.poll_fill(task, self.transport)) {
                        Ok(0) => match self.codec.recv_eof(&self.buffer.bytes) {
                            Ok(_) => Part::Data { chunk: Chunk::default(), end: true },
                            Err(_) => return Poll::Ready(Err(Error::downstream(Kind::Closed))),
                        },
                        Ok(read) => {
                            self.received += read as u64;
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

    fn send_head(&mut self, head: &ResponseHead) -> Result<(), Error> {
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

    fn pending(&self) -> usize {
        self.output.len()
    }

    fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.output.is_empty() {
            let flushed = poll_flush(task, self.transport, &mut self.output, &mut self.sent);
            if ready!(flushed).is_err() {
                self.output.clear();
                return Poll::Ready(Err(Error::downstream(Kind::Closed)));
            }
        }
        // The upstream has half-closed the tunnel: so do we, once everything is out.
        if self.codec.is_tunnel() && self.codec.response_done() && !self.closed {
            self.closed = true;
            ready!(self.transport.poll_close(task)).map_err(|_| Error::downstream(Kind::Closed))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_hangup(&mut self, task: &mut Context<'_>) -> Poll<Hangup> {
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
    Error::bad_request(error.status(), error.detail())
}

/// What we are about to send is not fit to be sent: the upstream, a filter or the configuration made it so.
fn local(error: nuncio_h1::EncodeError) -> Error {
    Error::local(Kind::Local(error.detail()))
}

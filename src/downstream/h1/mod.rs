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

mod exchange;

use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use nuncio_h1::Server;
use nuncio_http::Output;

use crate::error::Side;
use crate::listener::{Admission, ConnectionStats, ListenerSlot};
use crate::runtime::{Timer, Transport};
use crate::stream::buffers::ReadBuffer;
use crate::stream::info::ConnectionInfo;
use crate::stream::{Downstream, Outcome, Stream};
use exchange::Exchange;

/// How long a refused or finished client may take to read what was sent.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Most bytes read for that, in bytes.
const LINGER_LIMIT: usize = 1 << 20;
/// A connection that is to end while it is idle may bring one more request for this long.
const GRACE: Duration = Duration::from_secs(1);

/// One connection with a client.
pub struct Connection {
    transport: Box<dyn Transport>,
    info: Rc<ConnectionInfo>,
    slot: Rc<ListenerSlot>,
    timer: Timer,
    opened: Instant,
    requests: u32,
    /// Who ended it, and whether a request was on its way: for the stats.
    ended_by: Side,
    in_request: bool,
    /// Those of the listener as it was called when the connection came.
    stats: Rc<ConnectionStats>,
    /// Counts the connection in its listener, and wakes it for a drain.
    admission: Admission,
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
    /// The client went in the middle of a request.
    Gone,
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
            slot,
        }
    }

    /// Serves requests until one side has had enough.
    pub async fn serve(mut self) {
        self.ended_by = Side::Downstream;
        while self.idle().await {
            match Box::pin(self.busy()).await {
                Next::Idle => {}
                Next::Close => return,
                Next::Linger => {
                    self.ended_by = Side::Local;
                    return self.linger().await;
                }
                Next::Abort => {
                    (self.ended_by, self.in_request) = (Side::Local, true);
                    return self.transport.abort();
                }
                Next::Gone => return self.in_request = true,
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
        let (mut outlived, mut ending) = (false, false);
        std::future::poll_fn(|task| {
            if self.transport.poll_readable(task).is_ready() {
                return Poll::Ready(true);
            }
            if !ending {
                let now = self.slot.worker.rt.now();
                outlived = lifetime.is_some_and(|at| at <= now);
                ending = outlived || self.admission.poll_drain(task).is_ready();
                if ending {
                    // A request may be on its way: it is served, and told that it was the last.
                    self.timer.set(Some(now + GRACE));
                }
            }
            ready!(self.timer.poll(task));
            if outlived {
                self.stats.http.downstream_cx_max_duration_reached.inc();
            } else if !ending {
                self.stats.http.downstream_cx_idle_timeout.inc();
            }
            Poll::Ready(false)
        })
        .await
    }

    /// Serves requests as long as they come without a pause.
    async fn busy(&mut self) -> Next {
        let mut view = self.slot.view();
        let mut exchange = Exchange {
            slot: &self.slot,
            transport: &mut *self.transport,
            codec: Server::new(view.limits.clone()),
            buffer: ReadBuffer::new(&self.slot.worker.buffers),
            output: Output::new(),
            stats: &self.stats.http,
            head_start: self.slot.worker.rt.now(),
            closed: false,
        };
        loop {
            let request = match exchange.read_head(&view, &self.timer, &self.slot).await {
                Ok(Some(request)) => request,
                Ok(None) if exchange.codec.will_close() => break Next::Close,
                Ok(None) => break Next::Idle,
                Err(error) => break exchange.refuse(&view, &self.info, error, &self.timer).await,
            };
            self.requests = self.requests.saturating_add(1);
            let outlived =
                view.http.max_connection_duration.is_some_and(|limit| view.worker.rt.now() >= self.opened + limit);
            if view.http.max_requests_per_connection.is_some_and(|most| u64::from(self.requests) >= most) {
                view.stats.downstream_cx_max_requests_reached.inc();
                exchange.codec.close_after_response();
            } else if outlived {
                view.stats.downstream_cx_max_duration_reached.inc();
                exchange.codec.close_after_response();
            }
            let start = exchange.head_start;
            let mut stream = Stream::new(view.clone(), self.info.clone(), request.head, request.upgrade, start);
            let outcome = stream.run(&mut exchange, &self.timer).await;
            drop(stream);
            if outcome == Outcome::Abort {
                // What came before the end is the client's, as far as its socket takes it at once.
                std::future::poll_fn(|task| Poll::Ready(_ = exchange.poll_flush(task))).await;
                // A length or a missing last chunk says that it is cut short; where nothing else would, a reset does. So it
                // does for a client that takes nothing.
                let silent = !exchange.codec.close_is_end() && exchange.output.is_empty();
                break if silent { Next::Close } else { Next::Abort };
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
        }
    }

    /// Says that nothing more comes, and reads what the client still sends, so that the kernel does not reset the
    /// connection before the client has read our last words (RFC 9112 section 9.6).
    async fn linger(mut self) {
        let mut waste = ReadBuffer::new(&self.slot.worker.buffers);
        let mut wasted = 0;
        self.timer.set_after(CLOSE_TIMEOUT);
        std::future::poll_fn(|task| {
            if self.timer.poll(task).is_ready() {
                self.slot.view().stats.downstream_cx_delayed_close_timeout.inc();
                return Poll::Ready(());
            }
            if let Poll::Ready(Err(_)) = self.transport.poll_close(task) {
                return Poll::Ready(());
            }
            while wasted < LINGER_LIMIT {
                waste.bytes.clear();
                match ready!(waste.poll_fill(task, &mut *self.transport)) {
                    Ok(read) if read > 0 => wasted += read,
                    _ => return Poll::Ready(()),
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let lived = self.slot.worker.rt.now().saturating_duration_since(self.opened);
        self.stats.listener.downstream_cx_active.dec();
        self.stats.listener.downstream_cx_destroy.inc();
        self.stats.listener.downstream_cx_length_ms.record(lived);
        self.stats.http.downstream_cx_active.dec();
        self.stats.http.downstream_cx_http1_active.dec();
        let stats = &self.stats.http;
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
        self.stats.http.downstream_cx_length_ms.record(lived);
    }
}

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

use std::task::{Poll, ready};
use std::time::Duration;

use nuncio_h1::Server;
use nuncio_http::Output;

use super::connection::{Connection, Protocol};
use super::h2;
use crate::error::Side;
use crate::stream::buffers::ReadBuffer;
use crate::stream::{Downstream, Outcome, Stream};
use exchange::Exchange;

/// A connection that is to end while it is idle may bring one more request for this long.
const GRACE: Duration = Duration::from_secs(1);

/// What comes after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Idle,
    /// The client asked for it, or is gone: nothing can be on its way to us.
    Close,
    /// The same, but what it got is not the whole, and its framing says so: the end of TLS must not say otherwise.
    Cut,
    /// We want it, and the client may be sending.
    Linger,
    /// The client must not take what it got for the whole.
    Abort,
    /// The client went in the middle of a request.
    Gone,
}

impl Connection {
    /// Serves requests until one side has had enough. `first`: what was read of them already.
    pub fn serve_from(mut self, first: Option<ReadBuffer>) -> impl Future<Output = ()> {
        self.first = first.filter(|first| !first.bytes.is_empty()).map(Box::new);
        self.serve()
    }

    async fn serve(mut self) {
        self.ended_by = Side::Downstream;
        while self.first.is_some() || self.idle().await {
            let first = self.first.take().map(|first| *first);
            let mut buffer = first.unwrap_or_else(|| ReadBuffer::new(&self.slot.worker.buffers));
            if self.is_new() {
                match Box::pin(self.detect(&mut buffer)).await {
                    None => continue,
                    Some(Protocol::Http1) => self.set_protocol(Protocol::Http1),
                    Some(Protocol::Http2) => return Box::pin(h2::serve(self, buffer)).await,
                    Some(Protocol::Unknown) => {
                        self.stats.http.downstream_cx_protocol_error.inc();
                        self.ended_by = Side::Local;
                        return self.linger().await;
                    }
                }
            }
            match Box::pin(self.busy(buffer)).await {
                Next::Idle => {}
                Next::Close => return self.close().await,
                Next::Cut => return,
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
        self.close().await;
    }

    /// Waits for the first byte of a request. False: none will be served.
    async fn idle(&mut self) -> bool {
        let view = self.slot.view();
        let now = self.slot.worker.rt.now();
        // The first request is due like any head: a client that connects and says nothing is no keep-alive client.
        let limit = if self.requests == 0 { view.http.request_headers_timeout } else { view.http.idle_timeout };
        let lifetime = self.lifetime();
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
    async fn busy(&mut self, buffer: ReadBuffer) -> Next {
        let mut view = self.slot.view();
        let mut exchange = Exchange {
            slot: &self.slot,
            transport: &mut *self.transport,
            codec: Server::new(view.limits.clone()),
            buffer,
            output: Output::new(),
            stats: &self.stats.http,
            head_start: self.slot.worker.rt.now(),
            sent: 0,
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
                break if silent { Next::Cut } else { Next::Abort };
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
}

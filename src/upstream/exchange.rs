//! One request and its response on an upstream connection, whatever protocol that speaks.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use nuncio_http::{RequestHead, ResponseHead, Upgrade};

use super::connection::Connection;
use super::{h1, h2, tunnel};
use crate::cluster::HostView;
use crate::error::Error;
use crate::filter::Part;
use crate::runtime::net::Addr;
use crate::stream::WATERMARK;
use crate::stream::buffers::Buffers;

/// A connection on which a request may be sent now.
pub enum Ready {
    /// This request has it for itself.
    Http1(Connection),
    /// It is shared with other requests.
    Http2(Rc<h2::Connection>),
    /// Nothing is spoken on it: for the bytes of a tunnel.
    Bytes(Connection),
}

/// What comes from an upstream.
pub enum FromUpstream {
    /// A head, interim or final. `end`: the response ends with it.
    Head {
        head: ResponseHead,
        end: bool,
    },
    Part(Part),
}

/// One request and its response.
#[allow(clippy::large_enum_variant, reason = "it is on the heap, with its attempt")]
pub enum Exchange {
    Http1(h1::Exchange),
    Http2(h2::Exchange),
    Bytes(tunnel::Exchange),
}

impl Ready {
    pub fn exchange(self, limits: &Arc<nuncio_h1::Limits>, buffers: &Rc<Buffers>) -> Exchange {
        match self {
            Ready::Http1(connection) => Exchange::Http1(h1::Exchange::new(connection, limits, buffers)),
            Ready::Http2(connection) => Exchange::Http2(h2::Exchange::new(connection)),
            Ready::Bytes(connection) => Exchange::Bytes(tunnel::Exchange::new(connection, buffers)),
        }
    }
}

impl Exchange {
    pub fn send_head(&mut self, head: &RequestHead, upgrade: Option<Upgrade>) -> Result<(), Error> {
        match self {
            Exchange::Http1(exchange) => exchange.send_head(head, upgrade),
            Exchange::Http2(exchange) => exchange.send_head(head, upgrade),
            // The tunnel begins behind the head, which was for us.
            Exchange::Bytes(_) => Ok(()),
        }
    }

    pub fn send_part(&mut self, part: Part) -> Result<(), Error> {
        match self {
            Exchange::Http1(exchange) => exchange.send_part(part),
            Exchange::Http2(exchange) => exchange.send_part(part),
            Exchange::Bytes(exchange) => exchange.send_part(part),
        }
    }

    /// How many bytes of the request it takes now; pending while that is none.
    pub fn poll_room(&mut self, task: &mut Context<'_>) -> Poll<usize> {
        match self {
            // The socket wakes whoever flushes.
            Exchange::Http1(exchange) if exchange.pending() < WATERMARK => Poll::Ready(usize::MAX),
            Exchange::Bytes(exchange) if exchange.pending() < WATERMARK => Poll::Ready(usize::MAX),
            Exchange::Http1(_) | Exchange::Bytes(_) => Poll::Pending,
            Exchange::Http2(exchange) => exchange.poll_room(task),
        }
    }

    /// Sends what is pending; says whether anything left.
    pub fn flush(&mut self, task: &mut Context<'_>) -> bool {
        match self {
            Exchange::Http1(exchange) => {
                let before = exchange.pending();
                let flushed = exchange.poll_flush(task).is_ready();
                exchange.pending() < before || flushed && before > 0
            }
            Exchange::Bytes(exchange) => {
                let before = exchange.pending();
                let flushed = exchange.poll_flush(task).is_ready();
                exchange.pending() < before || flushed && before > 0
            }
            // The connection's own task sends.
            Exchange::Http2(_) => false,
        }
    }

    /// Bytes of the request wait to be sent.
    pub fn has_output(&self) -> bool {
        match self {
            Exchange::Http1(exchange) => exchange.pending() > 0,
            Exchange::Http2(exchange) => exchange.has_output(),
            Exchange::Bytes(exchange) => exchange.pending() > 0,
        }
    }

    /// The next part of the response, of at most about `most` bytes.
    pub fn poll_recv(&mut self, task: &mut Context<'_>, most: usize) -> Poll<Result<FromUpstream, Error>> {
        match self {
            Exchange::Http1(exchange) => exchange.poll_recv(task, most),
            Exchange::Http2(exchange) => exchange.poll_recv(task),
            Exchange::Bytes(exchange) => exchange.poll_recv(task, most),
        }
    }

    /// Nothing is pulled for a while: spare memory goes back.
    pub fn rest(&mut self) {
        match self {
            Exchange::Http1(exchange) => exchange.rest(),
            Exchange::Http2(_) => {}
            Exchange::Bytes(exchange) => exchange.rest(),
        }
    }

    /// The upstream takes no more, though it may have answered before.
    pub fn is_broken(&self) -> bool {
        match self {
            Exchange::Http1(exchange) => exchange.is_broken(),
            Exchange::Http2(exchange) => exchange.is_broken(),
            Exchange::Bytes(exchange) => exchange.is_broken(),
        }
    }

    /// No byte of the request left this process: nobody can have acted on it.
    pub fn is_unsent(&self) -> bool {
        match self {
            Exchange::Http1(exchange) => exchange.is_unsent(),
            Exchange::Http2(exchange) => exchange.is_unsent(),
            // Nothing is sent before it has been answered.
            Exchange::Bytes(_) => true,
        }
    }

    /// The connection carried a request before: it may have died since.
    pub fn is_reused(&self) -> bool {
        match self {
            Exchange::Http1(exchange) => exchange.is_reused(),
            Exchange::Http2(exchange) => exchange.is_reused(),
            Exchange::Bytes(_) => false,
        }
    }

    /// The request may have to be sent again, and nobody would be to blame.
    pub fn may_need_replay(&self) -> bool {
        match self {
            Exchange::Http1(exchange) => exchange.is_reused(),
            // Any stream may be refused.
            Exchange::Http2(_) => true,
            Exchange::Bytes(_) => false,
        }
    }

    pub fn host(&self) -> &Rc<HostView> {
        match self {
            Exchange::Http1(exchange) => exchange.host(),
            Exchange::Http2(exchange) => exchange.host(),
            Exchange::Bytes(exchange) => exchange.host(),
        }
    }

    pub fn local_addr(&self) -> &Addr {
        match self {
            Exchange::Http1(exchange) => exchange.local_addr(),
            Exchange::Http2(exchange) => exchange.local_addr(),
            Exchange::Bytes(exchange) => exchange.local_addr(),
        }
    }

    /// Of the host's end.
    pub fn peer_addr(&self) -> &Addr {
        match self {
            Exchange::Http1(exchange) => exchange.peer_addr(),
            Exchange::Http2(exchange) => exchange.peer_addr(),
            Exchange::Bytes(exchange) => exchange.peer_addr(),
        }
    }

    /// The exchange is over: a connection that is clean to the last byte is kept.
    pub fn finish(self, now: Instant) {
        match self {
            Exchange::Http1(exchange) => exchange.finish(now),
            Exchange::Http2(_) => {}
            Exchange::Bytes(exchange) => exchange.finish(),
        }
    }

    /// The exchange ends early: an HTTP/1 connection is closed, an HTTP/2 stream reset, and so is what carries a tunnel.
    pub fn abandon(self) {
        if let Exchange::Bytes(exchange) = self {
            exchange.abandon();
        }
    }
}

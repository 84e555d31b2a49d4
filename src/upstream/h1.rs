//! One HTTP/1.1 exchange on an upstream connection.
//!
//! The exchange owns the connection until it ends. A clean end, and nothing else, gives the connection back to the pool;
//! dropping the exchange closes it. Bytes are sent when [`Exchange::poll_flush`] is called and not before, so
//! that a head and its first chunk leave in one write.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use nuncio_h1::{Client, Limits, Recv};
use nuncio_http::{Output, RequestHead, ResponseHead, Upgrade};

use super::connection::Connection;
use super::{FromUpstream, websocket};
use crate::cluster::HostView;
use crate::error::{Error, Kind, Phase};
use crate::filter::{Chunk, Part};
use crate::runtime::net::Addr;
use crate::stream::buffers::{Buffers, ReadBuffer};
use crate::stream::flush::poll_flush;

pub struct Exchange {
    connection: Connection,
    codec: Client,
    buffer: ReadBuffer,
    output: Output,
    /// Bytes of this request that the socket took.
    sent: u64,
    /// The socket refused a write: what was not sent will not be, but a response may have come before.
    broken: bool,
    /// The tunnel's end was passed on.
    closed: bool,
    /// Our own `sec-websocket-key`, for a client that has none (RFC 8441).
    key: Option<Vec<u8>>,
}

impl Exchange {
    pub fn new(mut connection: Connection, limits: &Arc<Limits>, buffers: &Rc<Buffers>) -> Exchange {
        connection.requests += 1;
        connection.in_request = true;
        Exchange {
            connection,
            codec: Client::new(limits.clone()),
            buffer: ReadBuffer::new(buffers),
            output: Output::new(),
            sent: 0,
            broken: false,
            closed: false,
            key: None,
        }
    }

    pub fn is_reused(&self) -> bool {
        self.connection.is_reused()
    }

    pub fn local_addr(&self) -> &Addr {
        self.connection.transport.local_addr()
    }

    pub fn peer_addr(&self) -> &Addr {
        self.connection.transport.peer_addr()
    }

    /// No byte of the request left this process: nobody can have acted on it.
    pub fn is_unsent(&self) -> bool {
        self.sent == 0
    }

    /// Bytes that wait for the socket.
    pub fn pending(&self) -> usize {
        self.output.len()
    }

    /// The upstream takes no more, though it may have answered before.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    pub fn send_head(&mut self, head: &RequestHead, upgrade: Option<Upgrade>) -> Result<(), Error> {
        if upgrade == Some(Upgrade::Websocket) && websocket::key(&head.headers).is_none() {
            let mut head = head.clone();
            self.key = Some(websocket::set_key(&mut head.headers));
            return self.codec.send_head(&head, upgrade, &mut self.output).map_err(local);
        }
        self.codec.send_head(head, upgrade, &mut self.output).map_err(local)
    }

    pub fn send_part(&mut self, part: Part) -> Result<(), Error> {
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

    /// Writes what is pending. A refused write is not an error yet: a server may answer before it has read all.
    pub fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<()> {
        if self.broken {
            // The rest of the request goes nowhere: the server may still have answered.
            self.output.clear();
            return Poll::Ready(());
        }
        let before = self.sent;
        let flushed = poll_flush(task, &mut *self.connection.transport, &mut self.output, &mut self.sent);
        self.connection.view().stats.upstream_cx_tx_bytes_total.add(self.sent - before);
        match ready!(flushed) {
            Ok(()) => {
                // The client has half-closed the tunnel: so do we, once everything is out.
                if self.codec.is_tunnel() && self.codec.request_done() && !self.closed {
                    self.closed = ready!(self.connection.transport.poll_close(task)).is_ok();
                }
            }
            Err(_) => {
                self.broken = true;
                self.output.clear();
            }
        }
        Poll::Ready(())
    }

    /// The next part of the response.
    pub fn poll_recv(&mut self, task: &mut Context<'_>, most: usize) -> Poll<Result<FromUpstream, Error>> {
        loop {
            let part = match self.codec.recv(&mut self.buffer.bytes) {
                Ok(Recv::NeedMore) => ready!(self.poll_fill(task, most))?,
                Ok(part) => part,
                Err(error) => return Poll::Ready(Err(self.protocol(error))),
            };
            return Poll::Ready(Ok(match part {
                Recv::NeedMore => continue,
                Recv::Head { head, end } => {
                    self.check_accept(&head)?;
                    FromUpstream::Head { head, end }
                }
                Recv::Data { chunk, end } => data(Chunk::from(chunk), end),
                Recv::Tunnel(bytes) => data(Chunk::from(bytes), false),
                Recv::Trailers(trailers) => FromUpstream::Part(Part::Trailers(trailers)),
                Recv::End | Recv::Eof => data(Chunk::default(), true),
                Recv::Paused => return Poll::Pending,
            }));
        }
    }

    fn poll_fill(&mut self, task: &mut Context<'_>, most: usize) -> Poll<Result<Recv<ResponseHead>, Error>> {
        Poll::Ready(match ready!(self.buffer.poll_fill(task, &mut *self.connection.transport, most)) {
            Ok(0) => {
                self.connection.closed_by_host = true;
                self.codec.recv_eof(&self.buffer.bytes).map_err(|_| self.lost())
            }
            Ok(read) => {
                self.connection.view().stats.upstream_cx_rx_bytes_total.add(read as u64);
                Ok(Recv::NeedMore)
            }
            Err(_) => Err(self.lost()),
        })
    }

    /// RFC 6455 section 4.1: nobody but us can check the proof for a key of ours.
    fn check_accept(&self, head: &ResponseHead) -> Result<(), Error> {
        match &self.key {
            Some(key) if head.status == 101 && !websocket::is_accepted(&head.headers, key) => {
                Err(Error::upstream(Kind::Protocol("bad_websocket_accept"), Phase::Request))
            }
            _ => Ok(()),
        }
    }

    /// The exchange is over: the connection is kept if it is clean to the last byte, and closed if not.
    pub fn finish(mut self, now: Instant) {
        let clean = self.output.is_empty() && !self.broken && self.codec.can_pool(self.buffer.bytes.is_empty());
        self.connection.in_request = false;
        if clean {
            self.connection.keep(now);
        }
    }

    /// Nothing is pulled for a while: spare memory goes back.
    pub fn rest(&mut self) {
        self.buffer.release();
    }

    pub fn host(&self) -> &Rc<HostView> {
        &self.connection.host
    }

    fn phase(&self) -> Phase {
        if self.codec.response_started() { Phase::Response } else { Phase::Request }
    }

    fn lost(&mut self) -> Error {
        self.connection.closed_by_host = true;
        Error::upstream(Kind::Closed, self.phase())
    }

    fn protocol(&self, error: nuncio_h1::Error) -> Error {
        self.connection.view().stats.upstream_cx_protocol_error.inc();
        Error::upstream(Kind::Protocol(error.detail()), self.phase())
    }
}

fn data(chunk: Chunk, end: bool) -> FromUpstream {
    FromUpstream::Part(Part::Data { chunk, end })
}

/// What we are about to send is not fit to be sent: a filter or the configuration made it so.
fn local(error: nuncio_h1::EncodeError) -> Error {
    Error::local(Kind::Local(error.detail()))
}

//! A CONNECT that ends at this proxy: behind its head the host gets the client's bytes as they are, and nothing around them.
//!
//! The host has accepted the connection: that is the 2xx (RFC 9110 section 9.3.6). Nothing of the client's is sent before it
//! (row S-16): there is no tunnel yet from which it could come.

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use nuncio_http::{HeaderList, Output, ResponseHead};

use super::FromUpstream;
use super::connection::Connection;
use crate::cluster::HostView;
use crate::error::{Error, Kind, Phase};
use crate::filter::{Chunk, Part};
use crate::runtime::net::Addr;
use crate::stream::buffers::{Buffers, ReadBuffer};
use crate::stream::flush::poll_flush;

pub struct Exchange {
    connection: Connection,
    buffer: ReadBuffer,
    output: Output,
    sent: u64,
    /// The head of the answer was given.
    answered: bool,
    sending: Sending,
}

/// The way to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Open,
    /// The client has ended its direction; the host is to be told, behind the last byte.
    Ending,
    /// The host has been told.
    Ended,
    /// The host takes no more, though it may still send.
    Broken,
}

impl Exchange {
    pub fn new(mut connection: Connection, buffers: &Rc<Buffers>) -> Exchange {
        connection.requests += 1;
        connection.in_request = true;
        Exchange {
            connection,
            buffer: ReadBuffer::new(buffers),
            output: Output::new(),
            sent: 0,
            answered: false,
            sending: Sending::Open,
        }
    }

    pub fn host(&self) -> &Rc<HostView> {
        &self.connection.host
    }

    pub fn local_addr(&self) -> &Addr {
        self.connection.transport.local_addr()
    }

    pub fn peer_addr(&self) -> &Addr {
        self.connection.transport.peer_addr()
    }

    /// What waits for the socket: bytes, and one for the end.
    pub fn pending(&self) -> usize {
        self.output.len() + usize::from(self.sending == Sending::Ending)
    }

    pub fn is_broken(&self) -> bool {
        self.sending == Sending::Broken
    }

    pub fn send_part(&mut self, part: Part) -> Result<(), Error> {
        if self.sending != Sending::Open {
            return Ok(());
        }
        let end = part.is_end();
        if let Part::Data { chunk, .. } = part {
            chunk.into_pieces().filter(|piece| !piece.is_empty()).for_each(|piece| self.output.push(piece));
        }
        if end {
            self.sending = Sending::Ending;
        }
        Ok(())
    }

    /// Writes what is pending. A refused write is no error yet: what the host has sent before still goes to the client.
    pub fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<()> {
        if self.is_broken() {
            return Poll::Ready(());
        }
        let before = self.sent;
        let flushed = poll_flush(task, &mut *self.connection.transport, &mut self.output, &mut self.sent);
        self.connection.view().stats.upstream_cx_tx_bytes_total.add(self.sent - before);
        if ready!(flushed).is_err() {
            self.output.clear();
            self.sending = Sending::Broken;
        } else if self.sending == Sending::Ending {
            let closed = ready!(self.connection.transport.poll_close(task));
            self.sending = if closed.is_ok() { Sending::Ended } else { Sending::Broken };
        }
        Poll::Ready(())
    }

    /// The answer to the CONNECT first, then what the host sends.
    pub fn poll_recv(&mut self, task: &mut Context<'_>, most: usize) -> Poll<Result<FromUpstream, Error>> {
        if !self.answered {
            self.answered = true;
            return Poll::Ready(Ok(FromUpstream::Head { head: ResponseHead::new(200, HeaderList::new()), end: false }));
        }
        let read = match ready!(self.buffer.poll_fill(task, &mut *self.connection.transport, most)) {
            // A write has found the reset, and taken it: what a read finds behind the last byte is no end.
            Ok(read) if read > 0 || !self.is_broken() => read,
            _ => {
                self.connection.closed_by_host = true;
                return Poll::Ready(Err(Error::upstream(Kind::Closed, Phase::Response)));
            }
        };
        self.connection.view().stats.upstream_cx_rx_bytes_total.add(read as u64);
        self.connection.closed_by_host = read == 0;
        let chunk = Chunk::from(self.buffer.bytes.split().freeze());
        Poll::Ready(Ok(FromUpstream::Part(Part::Data { chunk, end: read == 0 })))
    }

    /// Nothing is pulled for a while: spare memory goes back.
    pub fn rest(&mut self) {
        self.buffer.release();
    }

    /// Both directions came to their ends.
    pub fn finish(mut self) {
        self.connection.in_request = false;
    }

    /// The host must not take what it has got for the whole.
    pub fn abandon(mut self) {
        self.connection.transport.abort();
    }
}

//! The client's end of one HTTP/2 stream.

use std::task::{Context, Poll, ready};

use nuncio_h2::{EncodeError, Reason};
use nuncio_http::{BodyLength, ResponseHead};

use crate::error::{Error, Kind};
use crate::filter::Part;
use crate::h2::{Received, StreamHandle};
use crate::runtime::Hangup;
use crate::stream::{Downstream, Outcome};

pub(super) struct Down {
    stream: StreamHandle,
    /// The request is a CONNECT without a protocol: 2xx opens the tunnel.
    connect: bool,
    tunnel: bool,
    /// The head said that nothing follows.
    ended: bool,
}

impl Down {
    pub(super) fn new(stream: StreamHandle, connect: bool) -> Down {
        Down { stream, connect, tunnel: false, ended: false }
    }

    /// Ends the stream as its outcome wants it, and gives the slot back.
    pub(super) fn finish(mut self, outcome: Outcome) {
        match outcome {
            // RFC 9113 section 8.1: the rest of the request is not wanted.
            Outcome::Complete if !self.stream.recv_done() => self.stream.reset(Reason::NO_ERROR),
            Outcome::Complete => {}
            Outcome::Abort => self.stream.reset(Reason::INTERNAL_ERROR),
            Outcome::Gone => self.stream.reset(Reason::CANCEL),
        }
    }
}

impl Downstream for Down {
    fn poll_recv(&mut self, task: &mut Context<'_>) -> Poll<Result<Part, Error>> {
        Poll::Ready(match ready!(self.stream.poll_recv(task)) {
            Ok(Received::Part(part)) => Ok(part),
            Ok(Received::Head { .. }) | Err(_) => Err(Error::downstream(Kind::Closed)),
        })
    }

    fn send_continue(&mut self) {
        self.stream.send_continue();
    }

    fn send_interim(&mut self, head: &ResponseHead) -> Result<(), Error> {
        self.stream.send_interim(head).or_else(failed)
    }

    fn send_head(&mut self, head: &ResponseHead, end: bool) -> Result<(), Error> {
        if head.status == 101 {
            // RFC 8441 section 5: 101 has no meaning here, 200 opens the tunnel.
            let mut head = head.clone();
            head.status = 200;
            head.body = BodyLength::Unknown;
            head.headers.retain(|field| field.name != b"sec-websocket-accept");
            self.tunnel = true;
            return self.stream.send_response(&head, false).or_else(failed);
        }
        self.tunnel = self.connect && (200..300).contains(&head.status);
        self.ended = end && !self.tunnel;
        self.stream.send_response(head, self.ended).or_else(failed)
    }

    fn send_part(&mut self, part: Part) -> Result<(), Error> {
        if self.ended { Ok(()) } else { self.stream.send_part(part).or_else(failed) }
    }

    fn poll_room(&mut self, task: &mut Context<'_>) -> Poll<usize> {
        self.stream.poll_room(task)
    }

    fn has_output(&self) -> bool {
        self.stream.has_queued()
    }

    fn sent(&self) -> u64 {
        self.stream.sent()
    }

    fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.stream.poll_sent(task).map(Ok)
    }

    fn poll_hangup(&mut self, task: &mut Context<'_>) -> Poll<Hangup> {
        self.stream.poll_lost(task).map(|_| Hangup::Reset)
    }

    fn is_tunnel(&self) -> bool {
        self.tunnel
    }

    fn can_drain(&self, _limit: u64) -> bool {
        // What is left of a request ends with its stream, and costs the connection nothing.
        true
    }

    fn close_after_response(&mut self) {}
}

/// A stream that is gone is found by `poll_hangup`. Anything else is not fit to be sent: the upstream, a filter or the
/// configuration made it so.
fn failed(error: EncodeError) -> Result<(), Error> {
    match error {
        EncodeError::Closed => Ok(()),
        error => Err(Error::local(Kind::Local(error.detail()))),
    }
}

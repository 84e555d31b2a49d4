//! One direction of a proxied connection: from a source to a sink, through the filters.

use std::task::{Context, Poll};

use bytes::Bytes;
use nuncio_http::Output;

use super::bypass::Bypass;
use crate::filter::{Chain, Chunk, Dir, Offer, Part, StreamCx};
use crate::runtime::Transport;
use crate::stream::buffers::ReadBuffer;
use crate::stream::flush::poll_flush;

/// One direction. It is over when its source has ended and its sink knows.
pub(super) struct Pipe {
    dir: Dir,
    buffer: ReadBuffer,
    output: Output,
    /// Between two sockets, when no filter looks.
    bypass: Option<Bypass>,
    /// The source sends no more.
    ended: bool,
    /// The sink has been told.
    closed: bool,
    /// The sink took less than there was at the last look.
    paused: bool,
    /// Bytes read and written.
    pub(super) read: u64,
    pub(super) written: u64,
}

/// Where bytes come from and go to.
pub(super) enum Ends<'a> {
    Two {
        source: &'a mut dyn Transport,
        sink: &'a mut dyn Transport,
        /// The other direction is over.
        is_last: bool,
    },
    /// Back to where they came from.
    One(&'a mut dyn Transport),
}

/// What one turn has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moved {
    /// Both sockets wake the task when there is something to do.
    Nothing,
    /// The same, and bytes moved or an end was passed on.
    Some,
    /// The turn is used up: there may be more at once.
    More,
}

/// Bytes of one direction before others have their turn.
const TURN: usize = 1 << 20;

/// Which end broke. An end that breaks takes the other with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Source,
    Sink,
    /// A filter wants it to end.
    Filter(&'static str),
}

impl Ends<'_> {
    fn source(&mut self) -> &mut dyn Transport {
        match self {
            Ends::Two { source, .. } => &mut **source,
            Ends::One(both) => &mut **both,
        }
    }

    fn sink(&mut self) -> &mut dyn Transport {
        match self {
            Ends::Two { sink, .. } => &mut **sink,
            Ends::One(both) => &mut **both,
        }
    }

    /// Tells the sink that no more comes.
    fn poll_close(&mut self, task: &mut Context<'_>) -> Poll<()> {
        // A sink that is gone by now needs not be told.
        match self {
            Ends::Two { sink, is_last: true, .. } => sink.poll_last_close(task).map(drop),
            Ends::Two { sink, .. } => sink.poll_close(task).map(drop),
            Ends::One(both) => both.poll_last_close(task).map(drop),
        }
    }
}

impl Pipe {
    /// `buffer` may hold bytes already: they go first.
    pub(super) fn new(dir: Dir, buffer: ReadBuffer, bypass: Option<Bypass>) -> Pipe {
        let output = Output::new();
        Pipe { dir, buffer, output, bypass, ended: false, closed: false, paused: false, read: 0, written: 0 }
    }

    /// Bytes read before the pipe was there, as if they had just come.
    pub(super) fn has_first(&self) -> bool {
        self.read == 0 && !self.buffer.bytes.is_empty()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn is_over(&self) -> bool {
        self.closed
    }

    /// The sink is slower than the source. Says so once for each time.
    pub(super) fn take_paused(&mut self) -> bool {
        std::mem::take(&mut self.paused)
    }

    /// Moves what can be moved, within a turn.
    pub(super) fn poll(
        &mut self,
        task: &mut Context<'_>,
        mut ends: Ends<'_>,
        (chain, cx): (&mut Chain, &mut StreamCx<'_>),
    ) -> Result<Moved, Broken> {
        let mut moved = 0;
        while !self.closed {
            moved += self.flush(task, ends.sink())?;
            if !self.is_flushed() {
                break;
            }
            if moved >= TURN {
                return Ok(Moved::More);
            }
            if self.ended && !chain.is_waiting(self.dir) {
                // TLS may have to write something first.
                self.closed = ends.poll_close(task).is_ready();
                return Ok(if self.closed || moved > 0 { Moved::Some } else { Moved::Nothing });
            }
            if !self.fill(task, ends.source(), (chain, cx))? {
                break;
            }
        }
        if self.is_flushed() {
            self.buffer.release();
            if let Some(bypass) = &mut self.bypass {
                bypass.rest();
            }
        }
        Ok(if moved > 0 { Moved::Some } else { Moved::Nothing })
    }

    /// Nothing has been read that has not been written.
    fn is_flushed(&self) -> bool {
        self.output.is_empty() && self.bypass.as_ref().is_none_or(Bypass::is_empty)
    }

    fn flush(&mut self, task: &mut Context<'_>, sink: &mut dyn Transport) -> Result<usize, Broken> {
        let before = self.written;
        let flushed = match &mut self.bypass {
            Some(bypass) if !bypass.is_empty() => bypass.flush(task, sink, &mut self.written),
            _ => poll_flush(task, sink, &mut self.output, &mut self.written).map_err(|_| Broken::Sink),
        };
        if let Poll::Ready(Err(broken)) = flushed {
            return Err(broken);
        }
        self.paused |= flushed.is_pending();
        Ok((self.written - before) as usize)
    }

    /// Brings more into the queue, if there is more.
    fn fill(
        &mut self,
        task: &mut Context<'_>,
        source: &mut dyn Transport,
        (chain, cx): (&mut Chain, &mut StreamCx<'_>),
    ) -> Result<bool, Broken> {
        if chain.is_waiting(self.dir) {
            let offer = chain.poll(self.dir, task, cx);
            return offer.map_or(Ok(false), |offer| self.take(offer));
        }
        if self.ended {
            return Ok(false);
        }
        if !self.has_first() {
            if let Some(moved) = self.bypass.as_mut().and_then(|bypass| bypass.fill(task, source)) {
                self.buffer.release();
                let Poll::Ready(len) = moved else { return Ok(false) };
                self.read += len? as u64;
                self.ended = len? == 0;
                return Ok(true);
            }
            let Poll::Ready(len) = self.buffer.poll_fill(task, source, usize::MAX) else { return Ok(false) };
            let len = len.map_err(|_| Broken::Source)?;
            self.ended = len == 0;
            if let Some(bypass) = &mut self.bypass {
                bypass.note(len);
            }
        }
        let bytes = self.buffer.bytes.split().freeze();
        self.read += bytes.len() as u64;
        if chain.is_empty() {
            self.push(bytes);
            return Ok(true);
        }
        match chain.offer(self.dir, Part::Data { chunk: Chunk::from(bytes), end: self.ended }, cx) {
            Some(offer) => self.take(offer),
            None => Ok(true),
        }
    }

    fn take(&mut self, offer: Offer) -> Result<bool, Broken> {
        match offer {
            Offer::Part(Part::Data { chunk, .. }) => chunk.into_pieces().for_each(|piece| self.push(piece)),
            Offer::Part(Part::Trailers(_)) | Offer::Head | Offer::More => {}
            Offer::Respond(reply) => return Err(Broken::Filter(reply.detail)),
            Offer::Reset(reason) => return Err(Broken::Filter(reason)),
        }
        Ok(true)
    }

    fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.output.push(bytes);
        }
    }
}

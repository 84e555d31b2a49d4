//! [`State`]: a session, established or not, with its buffers and the transport below it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use super::buffers::{Incoming, Outgoing};
use super::engine::{Engine, Seal, Sink, Step};
use super::gather::Gather;
use crate::runtime;

/// Plaintext sealed at a time, in bytes.
pub(super) const BATCH: usize = 64 << 10;
/// Reads that may bring no data, one after the other, before others on this thread have their turn.
pub(super) const FRUITLESS: usize = 16;

/// A session, established or not.
pub(super) struct State {
    pub(super) io: Box<dyn runtime::Transport>,
    pub(super) engine: Engine,
    pub(super) incoming: Incoming,
    /// Decrypted, and not read yet: the rest of one record, or two.
    pub(super) plain: BytesMut,
    /// There may be something to do about the input as it is.
    pub(super) unread: bool,
    /// The last step with the input gave plaintext: rustls has noted no place in it.
    at_plain: bool,
    pub(super) end: Option<End>,
    pub(super) outgoing: Outgoing,
    pub(super) sealed: Sealed,
    pub(super) close: Close,
}

/// How far our own end is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    Open,
    /// close_notify leaves with what is in `outgoing`.
    Said,
    /// So has the other transport's end.
    Done,
}

/// Why nothing more is read.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// close_notify.
    Closed,
    /// The end without it.
    Truncated,
    Io(io::ErrorKind),
    Tls(rustls::Error),
}

impl End {
    pub(super) fn error(&self) -> Option<io::Error> {
        match self {
            End::Closed => None,
            End::Truncated => Some(io::ErrorKind::UnexpectedEof.into()),
            End::Io(kind) => Some((*kind).into()),
            End::Tls(error @ rustls::Error::AlertReceived(_)) => {
                Some(io::Error::new(io::ErrorKind::ConnectionReset, error.clone()))
            }
            End::Tls(error) => Some(io::Error::new(io::ErrorKind::InvalidData, error.clone())),
        }
    }

    /// Whether nothing goes either way any more.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(self, End::Io(_) | End::Tls(_))
    }
}

/// Records in `outgoing`, in order.
#[derive(Default)]
pub(super) struct Sealed {
    /// Bytes on the wire, and of plaintext.
    records: VecDeque<(usize, usize)>,
    /// Plaintext of records that have left, and were not reported yet.
    pub(super) left: usize,
}

impl Sealed {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.left == 0
    }

    fn sent(&mut self, mut count: usize) {
        while let Some((wire, plain)) = self.records.front_mut() {
            if *wire > count {
                *wire -= count;
                return;
            }
            count -= *wire;
            self.left += *plain;
            self.records.pop_front();
        }
    }
}

impl State {
    pub(super) fn new(io: Box<dyn runtime::Transport>, engine: Engine, first: BytesMut) -> State {
        State {
            io,
            engine,
            incoming: Incoming::new(first),
            plain: BytesMut::new(),
            // A client speaks first: that needs no input.
            unread: true,
            at_plain: false,
            end: None,
            outgoing: Outgoing::default(),
            sealed: Sealed::default(),
            close: Close::Open,
        }
    }

    /// One step over the input. Plaintext goes to `reader`, at most `room` bytes, and to `plain`.
    pub(super) fn step(&mut self, reader: Option<&mut BytesMut>, room: usize) -> Step {
        let mut sink = Sink { reader, room, rest: &mut self.plain };
        let input = &mut self.incoming.bytes[..];
        let (discard, step) = self.engine.step(input, Seal::Nothing, &mut sink, &mut self.outgoing);
        self.incoming.advance(discard);
        self.at_plain = matches!(step, Ok(Step::Plain));
        match step {
            Ok(step) => {
                match step {
                    Step::PeerClosed => self.ended(End::Closed),
                    Step::Blocked => self.unread = false,
                    Step::Again | Step::Plain | Step::Sealed => {}
                }
                step
            }
            Err(error) => {
                self.ended(End::Tls(error));
                self.say_all();
                Step::Blocked
            }
        }
    }

    /// What rustls wants to say goes to `outgoing`: after an error, the alert.
    pub(super) fn say_all(&mut self) {
        let mut sink = Sink { reader: None, room: 0, rest: &mut self.plain };
        while self.engine.wants_write() {
            let input = &mut self.incoming.bytes[..];
            let (discard, step) = self.engine.step(input, Seal::Nothing, &mut sink, &mut self.outgoing);
            self.incoming.advance(discard);
            if step.is_err() {
                return;
            }
        }
    }

    pub(super) fn ended(&mut self, end: End) {
        self.end.get_or_insert(end);
        self.unread = false;
    }

    /// Reads more ciphertext for a reader with `room`.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<()> {
        // Not before there are bytes: while nothing comes no memory is taken.
        let mut read = self.io.poll_readable(cx).map(|()| Ok(0));
        if read.is_ready() {
            self.incoming.prepare(room);
            read = self.io.poll_read(cx, &mut self.incoming.bytes, usize::MAX);
        }
        match read {
            Poll::Pending => {
                self.incoming.rest();
                self.flush_alone(cx);
                return Poll::Pending;
            }
            Poll::Ready(Ok(0)) => self.ended(End::Truncated),
            Poll::Ready(Ok(_)) => self.unread = true,
            Poll::Ready(Err(error)) => self.ended(End::Io(error.kind())),
        }
        Poll::Ready(())
    }

    /// Before the reader waits, or for the last time: what is not data (tickets, changes of keys, alerts, our end) leaves,
    /// if no writer takes it along. That it could not all leave is for the next write to find.
    pub(super) fn flush_alone(&mut self, cx: &mut Context<'_>) {
        if self.sealed.is_empty() && !self.outgoing.is_empty() {
            let _ = if self.close == Close::Said { self.poll_close(cx) } else { self.poll_flush(cx) };
        }
    }

    /// Writes what is in `outgoing`.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            match self.io.poll_write_vectored(cx, &[IoSlice::new(self.outgoing.pending())]) {
                Poll::Ready(Ok(written)) => {
                    self.outgoing.advance(written);
                    self.sealed.sent(written);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.outgoing.rest();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Seals one record, or close_notify, into `outgoing`.
    fn seal(&mut self, seal: Seal) -> io::Result<()> {
        let before = self.outgoing.len();
        loop {
            // Data that nobody asks for stays where it is, as long as rustls lets it.
            let input = if self.at_plain { &mut [][..] } else { &mut self.incoming.bytes[..] };
            let mut sink = Sink { reader: None, room: 0, rest: &mut self.plain };
            let (discard, step) = self.engine.step(input, seal, &mut sink, &mut self.outgoing);
            self.incoming.advance(discard);
            match step {
                Ok(Step::Sealed) => break,
                Ok(Step::Plain) => self.at_plain = true,
                Ok(Step::PeerClosed) => self.ended(End::Closed),
                Ok(Step::Again) => {}
                Ok(Step::Blocked) => return Err(io::ErrorKind::NotConnected.into()),
                Err(error) => {
                    self.ended(End::Tls(error.clone()));
                    self.say_all();
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
        if let Seal::Record(plain) = seal {
            self.sealed.records.push_back((self.outgoing.len() - before, plain.len()));
        }
        Ok(())
    }

    /// Seals what fits into one batch.
    pub(super) fn seal_batch(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<()> {
        if !self.outgoing.is_empty() {
            // Tickets and the like: they leave with the data, but are none.
            self.sealed.records.push_back((self.outgoing.len(), 0));
        }
        let mut gather = Gather::new(bufs, BATCH);
        while let Some(record) = gather.next() {
            self.seal(Seal::Record(record))?;
        }
        Ok(())
    }

    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.close == Close::Open {
            self.close = Close::Said;
            // A writer that was not told what was taken of its bytes has given up on them.
            self.sealed = Sealed::default();
            if !self.end.as_ref().is_some_and(End::is_fatal) {
                self.seal(Seal::CloseNotify)?;
            }
        }
        ready!(self.poll_flush(cx))?;
        ready!(self.io.poll_close(cx))?;
        self.close = Close::Done;
        Poll::Ready(Ok(()))
    }
}

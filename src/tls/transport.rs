//! [`Transport`]: plaintext over an established session, ciphertext over another transport.
//!
//! Reading: ciphertext arrives in a buffer that exists only while something is in it, is decrypted there, and goes to the
//! reader's buffer; what does not fit of a record waits for the next read. An end without close_notify is an error,
//! `UnexpectedEof`: whoever cuts a connection must not look like a peer that was done (RFC 8446 section 6.1).
//!
//! Writing: callers believe that what a write took leaves without another call. So a write says what it took only when
//! the ciphertext has gone to the socket: up to 64 KiB are sealed and written; what the socket does not take is kept, and
//! the write is `Pending`. The caller comes back with the same bytes, more or fewer of them, for as far as it knows
//! nothing was taken; the rest of the ciphertext is written first, and the bytes are reported then, record by record.
//! Whoever gives up instead closes or aborts the connection, and does not write something else.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};

use super::buffers::{Incoming, Outgoing};
use super::engine::{Engine, Seal, Sink, Step};
use super::gather::Gather;
use crate::runtime::net::Addr;
use crate::runtime::{self, Hangup};

/// Plaintext sealed at a time, in bytes.
const BATCH: usize = 64 << 10;

/// An established session.
pub struct Transport {
    /// [`runtime::Transport::has_pending_read`] has to look into records: what arrived may be no data.
    state: RefCell<State>,
    local: OnceCell<Addr>,
    peer: OnceCell<Addr>,
}

/// A session, established or not.
pub(super) struct State {
    pub(super) io: Box<dyn runtime::Transport>,
    pub(super) engine: Engine,
    pub(super) incoming: Incoming,
    /// Decrypted, and not read yet: the rest of one record, or two.
    plain: BytesMut,
    /// There may be something to do about the input as it is.
    pub(super) unread: bool,
    /// The last step with the input gave plaintext: rustls has noted no place in it.
    at_plain: bool,
    pub(super) end: Option<End>,
    pub(super) outgoing: Outgoing,
    sealed: Sealed,
    close: Close,
}

/// How far our own end is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Close {
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
    fn error(&self) -> Option<io::Error> {
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
    fn is_fatal(&self) -> bool {
        matches!(self, End::Io(_) | End::Tls(_))
    }
}

/// Records in `outgoing`, in order.
#[derive(Default)]
struct Sealed {
    /// Bytes on the wire, and of plaintext.
    records: VecDeque<(usize, usize)>,
    /// Plaintext of records that have left, and were not reported yet.
    left: usize,
}

impl Sealed {
    fn is_empty(&self) -> bool {
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

    fn ended(&mut self, end: End) {
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
    fn flush_alone(&mut self, cx: &mut Context<'_>) {
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
    fn seal_batch(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<()> {
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

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut, most: usize) -> Poll<io::Result<usize>> {
        let room = (buf.capacity() - buf.len()).min(most);
        if room == 0 {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        }
        loop {
            let before = buf.len();
            self.take_plain(buf, room);
            while self.unread && self.plain.is_empty() && buf.len() - before < room {
                let left = room - (buf.len() - before);
                self.step(Some(buf), left);
            }
            if buf.len() > before {
                if !self.unread {
                    self.incoming.rest();
                }
                return Poll::Ready(Ok(buf.len() - before));
            }
            if let Some(end) = &self.end {
                let error = end.error();
                self.incoming = Incoming::default();
                self.flush_alone(cx);
                return Poll::Ready(error.map_or(Ok(0), Err));
            }
            if !self.unread {
                ready!(self.poll_receive(cx, room));
            }
        }
    }

    fn take_plain(&mut self, buf: &mut BytesMut, room: usize) {
        let len = self.plain.len().min(room);
        if len > 0 {
            buf.extend_from_slice(&self.plain[..len]);
            self.plain.advance(len);
            if self.plain.is_empty() {
                self.plain = BytesMut::new();
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.close != Close::Open || self.end.as_ref().is_some_and(End::is_fatal) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        if offered == 0 {
            return Poll::Ready(Ok(0));
        }
        if self.sealed.is_empty() {
            self.seal_batch(bufs)?;
        }
        let flushed = self.poll_flush(cx);
        // The caller may show fewer bytes than before, but the same.
        let taken = self.sealed.left.min(offered);
        self.sealed.left -= taken;
        match flushed {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ if taken > 0 => Poll::Ready(Ok(taken)),
            Poll::Ready(Ok(())) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    /// Whether there is data, the end or an error to be read. Tickets and changes of keys are none of these: what
    /// has arrived is looked into.
    fn has_pending_read(&mut self) -> bool {
        // Nothing is waited for, so that no waker is left behind.
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            while self.unread && self.plain.is_empty() {
                self.step(None, 0);
            }
            if !self.plain.is_empty() || self.end.is_some() {
                return true;
            }
            if !self.io.has_pending_read() {
                break;
            }
            self.incoming.prepare(0);
            match self.io.poll_read(&mut cx, &mut self.incoming.bytes, usize::MAX) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => self.ended(End::Truncated),
                Poll::Ready(Ok(_)) => self.unread = true,
                Poll::Ready(Err(error)) => self.ended(End::Io(error.kind())),
            }
        }
        self.incoming.rest();
        // Nobody can tell what a part of a record will be.
        !self.incoming.bytes.is_empty()
    }
}

impl Transport {
    pub(super) fn new(state: State) -> Transport {
        Transport { state: RefCell::new(state), local: OnceCell::new(), peer: OnceCell::new() }
    }
}

impl runtime::Transport for Transport {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut, most: usize) -> Poll<io::Result<usize>> {
        self.state.get_mut().poll_read(cx, buf, most)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.state.get_mut().poll_write(cx, bufs)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.get_mut().poll_close(cx)
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = self.state.get_mut();
        if state.unread || !state.plain.is_empty() || state.end.is_some() {
            return Poll::Ready(());
        }
        let readable = state.io.poll_readable(cx);
        if readable.is_pending() {
            state.flush_alone(cx);
        }
        readable
    }

    fn has_pending_read(&self) -> bool {
        self.state.borrow_mut().has_pending_read()
    }

    /// The end of the other transport, which close_notify announces, or close_notify if it was read.
    fn poll_hangup(&mut self, cx: &mut Context<'_>) -> Poll<Hangup> {
        let state = self.state.get_mut();
        match (state.io.poll_hangup(cx), &state.end) {
            (_, Some(end)) if end.is_fatal() => Poll::Ready(Hangup::Reset),
            (Poll::Pending, Some(_)) => Poll::Ready(Hangup::HalfClosed),
            (hangup, _) => hangup,
        }
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = self.state.get_mut();
        match &state.end {
            Some(end) if end.is_fatal() => Poll::Ready(()),
            _ => state.io.poll_reset(cx),
        }
    }

    fn abort(&mut self) {
        self.state.get_mut().io.abort();
    }

    fn detach(&mut self) {
        self.state.get_mut().io.detach();
    }

    fn local_addr(&self) -> &Addr {
        self.local.get_or_init(|| self.state.borrow().io.local_addr().clone())
    }

    fn peer_addr(&self) -> &Addr {
        self.peer.get_or_init(|| self.state.borrow().io.peer_addr().clone())
    }
}

#[cfg(test)]
mod tests;

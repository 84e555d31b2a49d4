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
use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};

use super::buffers::Incoming;
use super::state::{Close, End, FRUITLESS, State};
use crate::runtime::net::Addr;
use crate::runtime::{self, Hangup};

/// An established session.
pub struct Transport {
    /// [`runtime::Transport::has_pending_read`] has to look into records: what arrived may be no data.
    state: RefCell<State>,
    local: OnceCell<Addr>,
    peer: OnceCell<Addr>,
}

impl State {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut, most: usize) -> Poll<io::Result<usize>> {
        let room = (buf.capacity() - buf.len()).min(most);
        if room == 0 {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        }
        let mut reads = 0;
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
            if reads == FRUITLESS {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            reads += 1;
            ready!(self.poll_receive(cx, room));
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

    /// Whether there is data, the end or an error to be read. Tickets and changes of keys are none of these: what
    /// has arrived is looked into.
    fn has_pending_read(&mut self) -> bool {
        // Nothing is waited for, so that no waker is left behind.
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..FRUITLESS {
            while self.unread && self.plain.is_empty() {
                self.step(None, 0);
            }
            if !self.plain.is_empty() || self.end.is_some() {
                return true;
            }
            if !self.io.has_pending_read() {
                self.incoming.rest();
                // Nobody can tell what a part of a record will be.
                return !self.incoming.bytes.is_empty();
            }
            self.incoming.prepare(0);
            match self.io.poll_read(&mut cx, &mut self.incoming.bytes, usize::MAX) {
                Poll::Pending => continue,
                Poll::Ready(Ok(0)) => self.ended(End::Truncated),
                Poll::Ready(Ok(_)) => self.unread = true,
                Poll::Ready(Err(error)) => self.ended(End::Io(error.kind())),
            }
        }
        // A host that talks that much is none to keep.
        true
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

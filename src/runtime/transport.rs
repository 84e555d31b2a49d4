//! [`Transport`]: bytes to and from one peer, whatever carries them (TCP, UNIX, later TLS and QUIC streams), on a worker
//! or on the control thread. Polled, so that one task can drive both directions.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::BytesMut;

use super::net::{Addr, Stream};

/// How a peer went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hangup {
    /// It will send no more, but may still read: a FIN, whether by `shutdown` or by `close`.
    HalfClosed,
    /// It is gone in both directions: a reset, or the other end of a UNIX socket closed.
    Reset,
}

/// A connection. The receive side (`poll_read`, `poll_readable`, `poll_hangup`, `poll_reset`) keeps one waker, the send
/// side another: one task at a time waits on each.
pub trait Transport {
    /// Reads at most `most` bytes into the spare capacity of `buf`, which never grows; no room is `InvalidInput`. `Ok(0)` is
    /// the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut, most: usize) -> Poll<io::Result<usize>>;

    /// Writes what the socket takes, at least one byte unless `bufs` is empty (never `Ok(0)`: that is `WriteZero`).
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Ends our direction; the other stays open. More than once is harmless.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// As `poll_close`, when the peer's end has been read and the connection is dropped next: that ends a socket too.
    fn poll_last_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(cx)
    }

    /// The socket itself, where its bytes are what is read and written: they may pass by without being looked at.
    fn as_stream(&mut self) -> Option<&mut Stream> {
        None
    }

    /// Ready once there may be something to read: data, the end or an error. For an idle connection, which holds no
    /// buffer. It costs no system call, so that once in a while there is nothing after all: the read tells.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether data, the end or an error waits to be read, as far as the reactor has seen. For a pooled connection;
    /// a system call is made only if something has arrived since the last read, to make sure.
    fn has_pending_read(&self) -> bool;

    /// Ready once the peer has ended its direction or is gone, without reading: to cancel what nobody waits for. Unread
    /// data does not wake it. Stays ready.
    fn poll_hangup(&mut self, cx: &mut Context<'_>) -> Poll<Hangup>;

    /// As `poll_hangup`, but only [`Hangup::Reset`] counts.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Makes the closing on drop a reset (RST), so that the peer does not take what it has got for the whole.
    fn abort(&mut self);

    /// Forgets the task: to be called before the connection is parked in a pool, or a finished task's memory stays.
    fn detach(&mut self);

    fn local_addr(&self) -> &Addr;

    fn peer_addr(&self) -> &Addr;
}

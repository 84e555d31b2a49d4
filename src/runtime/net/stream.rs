//! A connected TCP or UNIX stream socket of a worker.

use std::cell::OnceCell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, sockopt};

use super::{Addr, Tube};
use crate::runtime::reactor::Source;
use crate::runtime::{Hangup, Transport};

/// writev(2) takes no more.
const MAX_SLICES: usize = 1024;

/// A connected socket. Dropping it closes it.
pub struct Stream {
    // before `fd`: the registration goes first
    source: Source,
    fd: OwnedFd,
    peer: Addr,
    /// Asked from the kernel when first wanted.
    local: OnceCell<Addr>,
}

impl Stream {
    pub(super) fn new(source: Source, fd: OwnedFd, peer: Addr) -> Stream {
        Stream { source, fd, peer, local: OnceCell::new() }
    }

    /// Where it is bound, when that is known without asking.
    pub(super) fn with_local(self, local: Addr) -> Stream {
        Stream { local: OnceCell::from(local), ..self }
    }

    /// Where the client meant to go, if netfilter has redirected it here (`SO_ORIGINAL_DST`, iptables-extensions(8)
    /// `REDIRECT`).
    pub fn original_dst(&self) -> Option<SocketAddr> {
        let own = self.local_addr().inet()?;
        let original: SocketAddr = match own {
            SocketAddr::V4(_) => sockopt::ip_original_dst(&self.fd).ok()?.into(),
            SocketAddr::V6(_) => sockopt::ipv6_original_dst(&self.fd).ok()?.into(),
        };
        ((original.ip(), original.port()) != (own.ip(), own.port())).then_some(original)
    }

    /// Closing will send RST and drop unsent data (`SO_LINGER` of zero, socket(7)); no effect on a UNIX socket.
    pub fn set_linger_reset(&self) {
        // on a socket that is already reset there is nothing left to do
        let _ = sockopt::set_socket_linger(&self.fd, Some(Duration::ZERO));
    }

    /// Moves what there is into an empty tube; 0 is the end.
    pub fn poll_read_tube(&mut self, cx: &mut Context<'_>, tube: &mut Tube) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.source.poll_readable(cx));
            match tube.fill_from(&self.fd) {
                // Less than there is room for says nothing: a tube is also full when it has many small pieces.
                Ok(len) => return Poll::Ready(Ok(len)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.source.read_blocked(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Moves what the socket takes out of a tube that is not empty.
    pub fn poll_write_tube(&mut self, cx: &mut Context<'_>, tube: &mut Tube) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.source.poll_writable(cx));
            match tube.drain_to(&self.fd) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(len) => return Poll::Ready(Ok(len)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.source.write_blocked(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_nodelay(&self) -> bool {
        sockopt::tcp_nodelay(&self.fd).unwrap_or(false)
    }

    /// Whether anything waits to be read, by the kernel's word.
    fn peek(&self) -> Poll<()> {
        loop {
            let mut byte = [0; 1];
            match rustix::net::recv(&self.fd, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Poll::Pending,
                _ => return Poll::Ready(()),
            }
        }
    }
}

/// recv(2) of at most `most` bytes into the spare capacity of `buf`.
pub(in super::super) fn recv_into(fd: impl AsFd, buf: &mut BytesMut, most: usize) -> Result<usize, Errno> {
    let room = buf.spare_capacity_mut();
    let space = room.len().min(most);
    let ((filled, _), _) = rustix::net::recv(fd, &mut room[..space], RecvFlags::empty())?;
    let len = filled.len();
    let total = buf.len() + len;
    // SAFETY: the kernel has written `len` bytes at the start of the spare capacity.
    unsafe { buf.set_len(total) };
    Ok(len)
}

/// Where a socket is bound; the empty path if the kernel does not say.
pub(in super::super) fn local_addr(fd: impl AsFd) -> Addr {
    Addr::from_any(rustix::net::getsockname(fd).ok())
}

impl Transport for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut, most: usize) -> Poll<io::Result<usize>> {
        let space = buf.spare_capacity_mut().len().min(most);
        if space == 0 {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        }
        loop {
            ready!(self.source.poll_readable(cx));
            match recv_into(&self.fd, buf, space) {
                Ok(len) => {
                    self.source.read_done(len, space);
                    return Poll::Ready(Ok(len));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.source.read_blocked(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let bufs = &bufs[..bufs.len().min(MAX_SLICES)];
        let offered: usize = bufs.iter().map(|buf| buf.len()).sum();
        if offered == 0 {
            return Poll::Ready(Ok(0));
        }
        loop {
            ready!(self.source.poll_writable(cx));
            // SIGPIPE is ignored in this process (`signal`), so that writev needs no flag
            let written = match bufs {
                [buf] => rustix::net::send(&self.fd, buf, SendFlags::NOSIGNAL),
                bufs => rustix::io::writev(&self.fd, bufs),
            };
            match written {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(len) => {
                    self.source.write_done(len, offered);
                    return Poll::Ready(Ok(len));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.source.write_blocked(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.note_write_closed();
        Poll::Ready(match rustix::net::shutdown(&self.fd, Shutdown::Write) {
            // the peer has reset the connection: what we wanted to end is ended
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }

    fn poll_last_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn as_stream(&mut self) -> Option<&mut Stream> {
        Some(self)
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.source.poll_readable(cx)
    }

    fn has_pending_read(&self) -> bool {
        if !self.source.is_readable() {
            return false;
        }
        if self.source.hangup().is_some() || self.peek().is_ready() {
            return true;
        }
        // the last read took exactly what there was
        self.source.read_blocked();
        false
    }

    fn poll_hangup(&mut self, cx: &mut Context<'_>) -> Poll<Hangup> {
        self.source.poll_hangup(cx, Hangup::HalfClosed)
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.source.poll_hangup(cx, Hangup::Reset).map(|_| ())
    }

    fn abort(&mut self) {
        self.set_linger_reset();
    }

    fn detach(&mut self) {
        self.source.forget_wakers();
    }

    fn local_addr(&self) -> &Addr {
        self.local.get_or_init(|| local_addr(&self.fd))
    }

    fn peer_addr(&self) -> &Addr {
        &self.peer
    }
}

//! Sockets of the control thread: the same [`Transport`] over `async_io::Async`, for the admin server and health checks.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Async;
use bytes::BytesMut;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, sockopt};

use crate::runtime::net::{self, Addr, Listener, SocketFile};
use crate::runtime::{Hangup, Transport};

/// A connected TCP or UNIX stream socket of the control thread.
///
/// async-io tells readable and writable only: `poll_hangup` sees the end of a peer whose data has all been read, and
/// waits for ever behind unread data (a write will tell then).
pub struct ControlStream {
    socket: Async<OwnedFd>,
    local: Addr,
    peer: Addr,
}

impl ControlStream {
    fn new(socket: Async<OwnedFd>, peer: Addr) -> ControlStream {
        let local = net::local_addr(socket.get_ref());
        ControlStream { socket, local, peer }
    }

    /// Connects to `addr`; see [`timeout`](super::timeout) to limit it.
    pub async fn connect(addr: &Addr) -> io::Result<ControlStream> {
        let (fd, connected) = net::start_connect(addr)?;
        let socket = Async::new_nonblocking(fd)?;
        if !connected {
            socket.writable().await?;
            sockopt::socket_error(socket.get_ref())??;
        }
        Ok(ControlStream::new(socket, addr.clone()))
    }

    /// What `recv` with PEEK says: nothing yet, the end, data or an error.
    fn peek(&self) -> Peeked {
        loop {
            let mut byte = [0; 1];
            match rustix::net::recv(self.socket.get_ref(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Peeked::Nothing,
                Ok((_, 0)) => return Peeked::End,
                Ok(_) => return Peeked::Data,
                Err(_) => return Peeked::Error,
            }
        }
    }

    /// Tries until it would not block. `Async::poll_readable` may be ready without anything to read.
    fn poll_peek(&self, cx: &mut Context<'_>) -> Poll<Peeked> {
        loop {
            match self.peek() {
                Peeked::Nothing => {}
                peeked => return Poll::Ready(peeked),
            }
            if ready!(self.socket.poll_readable(cx)).is_err() {
                return Poll::Ready(Peeked::Error);
            }
        }
    }
}

#[derive(PartialEq)]
enum Peeked {
    Nothing,
    Data,
    End,
    Error,
}

impl Transport for ControlStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut, most: usize) -> Poll<io::Result<usize>> {
        if buf.spare_capacity_mut().is_empty() || most == 0 {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        }
        loop {
            match net::recv_into(self.socket.get_ref(), buf, most) {
                Ok(len) => return Poll::Ready(Ok(len)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready!(self.socket.poll_readable(cx))?,
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        // no hot path: one slice at a time
        let Some(buf) = bufs.iter().find(|buf| !buf.is_empty()) else { return Poll::Ready(Ok(0)) };
        loop {
            match rustix::net::send(self.socket.get_ref(), buf, SendFlags::NOSIGNAL) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(len) => return Poll::Ready(Ok(len)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready!(self.socket.poll_writable(cx))?,
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match rustix::net::shutdown(self.socket.get_ref(), Shutdown::Write) {
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_peek(cx).map(|_| ())
    }

    fn has_pending_read(&self) -> bool {
        self.peek() != Peeked::Nothing
    }

    fn poll_hangup(&mut self, cx: &mut Context<'_>) -> Poll<Hangup> {
        match ready!(self.poll_peek(cx)) {
            Peeked::End => Poll::Ready(Hangup::HalfClosed),
            Peeked::Error => Poll::Ready(Hangup::Reset),
            Peeked::Data | Peeked::Nothing => Poll::Pending,
        }
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_hangup(cx) {
            Poll::Ready(Hangup::Reset) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    fn abort(&mut self) {
        let _ = sockopt::set_socket_linger(self.socket.get_ref(), Some(Duration::ZERO));
    }

    fn detach(&mut self) {}

    fn local_addr(&self) -> &Addr {
        &self.local
    }

    fn peer_addr(&self) -> &Addr {
        &self.peer
    }
}

/// A listening socket of the control thread.
pub struct ControlListener {
    // goes before the socket does
    _file: Option<SocketFile>,
    socket: Async<OwnedFd>,
    addr: Addr,
}

impl ControlListener {
    pub fn new(listener: Listener) -> io::Result<ControlListener> {
        let (fd, addr, file) = listener.into_parts();
        Ok(ControlListener { _file: file, socket: Async::new_nonblocking(fd)?, addr })
    }

    /// The next connection. An error is worth a pause and another try.
    pub async fn accept(&mut self) -> io::Result<ControlStream> {
        loop {
            if let Some((fd, peer)) = net::accept(self.socket.get_ref())? {
                return Ok(ControlStream::new(Async::new_nonblocking(fd)?, peer));
            }
            self.socket.readable().await?;
        }
    }

    pub fn local_addr(&self) -> &Addr {
        &self.addr
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::control::{block_on, timeout};
    use crate::runtime::net::ListenOptions;
    use std::future::poll_fn;

    async fn exchange(addr: Addr) {
        let mut listener = ControlListener::new(Listener::bind(&addr, ListenOptions::default()).unwrap()).unwrap();
        let mut client = ControlStream::connect(listener.local_addr()).await.unwrap();
        let mut server = listener.accept().await.unwrap();
        assert_eq!((client.peer_addr(), client.local_addr()), (server.local_addr(), server.peer_addr()));
        assert!(!server.has_pending_read());
        let bufs = [IoSlice::new(b""), IoSlice::new(b"hello"), IoSlice::new(b"never at once")];
        assert_eq!(poll_fn(|cx| client.poll_write_vectored(cx, &bufs)).await.unwrap(), 5);
        poll_fn(|cx| server.poll_readable(cx)).await;
        let mut buf = BytesMut::with_capacity(64);
        assert_eq!(poll_fn(|cx| server.poll_read(cx, &mut buf, usize::MAX)).await.unwrap(), 5);
        poll_fn(|cx| client.poll_close(cx)).await.unwrap();
        assert_eq!(poll_fn(|cx| server.poll_hangup(cx)).await, Hangup::HalfClosed);
        assert_eq!(poll_fn(|cx| server.poll_read(cx, &mut buf, usize::MAX)).await.unwrap(), 0);
        assert_eq!(&buf[..], b"hello");
    }

    #[test]
    fn both_kinds_of_sockets_exchange_and_half_close() {
        let path = std::env::temp_dir().join(format!("nuncio-control-{}", std::process::id()));
        block_on(async {
            for addr in ["127.0.0.1:0".parse().unwrap(), Addr::unix(&path)] {
                timeout(Duration::from_secs(20), exchange(addr)).await.unwrap();
            }
        });
        assert!(!path.exists(), "the socket file goes with the listener");
    }

    #[test]
    fn a_refused_connection_says_so() {
        let addr: Addr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().into();
        let error = block_on(ControlStream::connect(&addr)).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}

//! Opening a connection without blocking: connect(2), then the socket is writable once the attempt is over.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{SocketFlags, SocketType, sockopt};

use super::{Addr, Stream};
use crate::runtime::Rt;
use crate::runtime::reactor::{Interest, Source};

/// A connection attempt. It has no timeout of its own; dropping it gives it up.
#[must_use = "a connection attempt does nothing unless it is polled"]
pub struct Connect(Option<io::Result<Attempt>>);

struct Attempt {
    source: Source,
    fd: OwnedFd,
    peer: Addr,
}

impl Stream {
    /// Starts to connect to `addr`. Whatever goes wrong is the result of the future.
    pub fn connect(rt: &Rt, addr: &Addr) -> Connect {
        Connect(Some(Attempt::start(rt, addr)))
    }
}

impl Attempt {
    fn start(rt: &Rt, addr: &Addr) -> io::Result<Attempt> {
        let (fd, connected) = start_connect(addr)?;
        // registered only now: an unconnected socket reports EPOLLHUP
        let source = Source::new(rt, &fd, Interest::Stream)?;
        if connected {
            source.assume_writable();
        }
        Ok(Attempt { source, fd, peer: addr.clone() })
    }

    /// Why the attempt failed; `None` if the socket is connected.
    fn error(&self) -> Option<io::Error> {
        // only a failed attempt shows EPOLLERR or EPOLLHUP at once, so a good one saves a getsockopt
        if !self.source.has_failed() {
            return None;
        }
        match sockopt::socket_error(&self.fd) {
            Ok(Err(error)) | Err(error) => Some(error.into()),
            // connected, and hung up since: the first read or write will tell
            Ok(Ok(())) => None,
        }
    }
}

/// Starts to connect a new socket; `true` if it is connected already.
pub(in super::super) fn start_connect(addr: &Addr) -> io::Result<(OwnedFd, bool)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(addr.family(), SocketType::STREAM, flags, None)?;
    if let Addr::Inet(_) = addr {
        sockopt::set_tcp_nodelay(&fd, true)?;
    }
    match rustix::net::connect(&fd, &addr.to_any()?) {
        Ok(()) => Ok((fd, true)),
        Err(Errno::INPROGRESS | Errno::INTR) => Ok((fd, false)),
        // a UNIX socket whose backlog is full (unix(7)); there is no event for its having room again
        Err(Errno::AGAIN) => Err(io::ErrorKind::ConnectionRefused.into()),
        Err(error) => Err(error.into()),
    }
}

impl Future for Connect {
    type Output = io::Result<Stream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        if let Some(Ok(attempt)) = &self.0 {
            ready!(attempt.source.poll_writable(cx));
        }
        let Some(attempt) = self.0.take() else {
            return Poll::Ready(Err(io::Error::other("a connection attempt was polled after its end")));
        };
        Poll::Ready(attempt.and_then(|attempt| match attempt.error() {
            Some(error) => Err(error),
            None => Ok(Stream::new(attempt.source, attempt.fd, attempt.peer)),
        }))
    }
}

//! Listening sockets: bound on the control thread, each then given to a worker.
//!
//! TCP: one socket a worker in a `SO_REUSEPORT` group (socket(7)), so that the kernel spreads the connections. UNIX: one
//! socket, shared by the workers through `dup`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{SocketFlags, SocketType, sockopt};

use super::{Addr, SocketFile, Stream, socket_file};
use crate::runtime::Rt;
use crate::runtime::reactor::{Interest, Source};

#[derive(Debug, Clone, Copy)]
pub struct ListenOptions {
    /// Join the `SO_REUSEPORT` group of this address (TCP only), whoever else is in it.
    pub reuse_port: bool,
    /// Connections that may wait for `accept`; the kernel caps it at `net.core.somaxconn`.
    pub backlog: i32,
    /// Permissions of a UNIX socket.
    pub unix_mode: u32,
}

impl Default for ListenOptions {
    fn default() -> Self {
        ListenOptions { reuse_port: false, backlog: 4096, unix_mode: 0o600 }
    }
}

/// A bound and listening socket that no worker owns yet. Connections wait in it meanwhile.
#[derive(Debug)]
pub struct Listener {
    // goes before the socket does
    file: Option<SocketFile>,
    fd: OwnedFd,
    addr: Addr,
}

impl Listener {
    /// Binds and listens. Port 0 takes a free one: see `local_addr`.
    pub fn bind(addr: &Addr, options: ListenOptions) -> io::Result<Listener> {
        let fd = bound(addr, options.reuse_port)?;
        Listener::listen(fd, addr, options)
    }

    /// Binds one socket for each of `workers`. Fails if the address is in use, even if by a socket that would share it.
    /// A UNIX socket left behind by a process that has ended is replaced.
    pub fn bind_group(addr: &Addr, options: ListenOptions, workers: usize) -> io::Result<Vec<Listener>> {
        // bound alone, and open to sharing only thereafter
        let first = bound(addr, false)?;
        if let Addr::Inet(_) = addr {
            sockopt::set_socket_reuseport(&first, true)?;
        }
        let mut group = vec![Listener::listen(first, addr, options)?];
        while group.len() < workers {
            let next = match addr {
                Addr::Inet(_) => Listener::bind(&group[0].addr, ListenOptions { reuse_port: true, ..options })?,
                Addr::Unix(_) => group[0].try_clone()?,
            };
            group.push(next);
        }
        Ok(group)
    }

    fn listen(fd: OwnedFd, addr: &Addr, options: ListenOptions) -> io::Result<Listener> {
        let (addr, file) = match addr {
            Addr::Inet(_) => (Addr::from_any(Some(rustix::net::getsockname(&fd)?)), None),
            Addr::Unix(path) => {
                let file = SocketFile::new(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(options.unix_mode))?;
                (addr.clone(), Some(file))
            }
        };
        rustix::net::listen(&fd, options.backlog)?;
        Ok(Listener { file, fd, addr })
    }

    /// A second handle on the same socket and its queue. The first one keeps the file.
    pub fn try_clone(&self) -> io::Result<Listener> {
        Ok(Listener { file: None, fd: self.fd.try_clone()?, addr: self.addr.clone() })
    }

    /// The file of a UNIX socket, for whoever decides when it goes. Otherwise it goes with the listener.
    pub fn take_file(&mut self) -> Option<SocketFile> {
        self.file.take()
    }

    /// Where it is bound, with the port that was chosen.
    pub fn local_addr(&self) -> &Addr {
        &self.addr
    }

    pub(in super::super) fn into_parts(self) -> (OwnedFd, Addr, Option<SocketFile>) {
        (self.fd, self.addr, self.file)
    }

    pub fn into_worker(self, rt: &Rt) -> io::Result<WorkerListener> {
        let source = Source::new(rt, &self.fd, Interest::Read)?;
        // connections may have waited since before it was registered
        source.assume_readable();
        Ok(WorkerListener { rt: rt.clone(), source, listener: self })
    }
}

/// A listening socket on its worker. Dropping it stops accepting here.
pub struct WorkerListener {
    rt: Rt,
    source: Source,
    listener: Listener,
}

impl WorkerListener {
    /// The next connection. An error is worth a pause and another try, whatever it is: see [`is_fd_exhausted`].
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        loop {
            ready!(self.source.poll_readable(cx));
            match accept(&self.listener.fd)? {
                None => self.source.read_blocked(),
                Some((fd, peer)) => {
                    let source = Source::new(&self.rt, &fd, Interest::Stream)?;
                    // most clients speak at once
                    source.assume_readable();
                    source.assume_writable();
                    let stream = Stream::new(source, fd, peer);
                    return Poll::Ready(Ok(match &self.listener.addr {
                        Addr::Inet(any) if any.ip().is_unspecified() => stream,
                        bound => stream.with_local(bound.clone()),
                    }));
                }
            }
        }
    }

    /// See `poll_accept`.
    pub async fn accept(&mut self) -> io::Result<Stream> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    pub fn local_addr(&self) -> &Addr {
        &self.listener.addr
    }
}

impl Drop for WorkerListener {
    fn drop(&mut self) {
        // the descriptor may have been duplicated: closing ours would not end the registration
        self.source.deregister(&self.listener.fd);
    }
}

/// Whether the process or the system is out of descriptors or socket memory: pause accepting, do not spin.
pub fn is_fd_exhausted(error: &io::Error) -> bool {
    let error = Errno::from_io_error(error);
    matches!(error, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// Takes a connection that waits; `None` if there is none. TCP_NODELAY is inherited from the listening socket.
pub(in super::super) fn accept(listener: impl AsFd) -> io::Result<Option<(OwnedFd, Addr)>> {
    loop {
        match rustix::net::acceptfrom_with(&listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((fd, peer)) => return Ok(Some((fd, Addr::from_any(peer)))),
            Err(error) => match after_accept_error(error) {
                AfterError::Again => {}
                AfterError::Wait => return Ok(None),
                AfterError::Tell => return Err(error.into()),
            },
        }
    }
}

#[derive(Debug, PartialEq)]
enum AfterError {
    Again,
    Wait,
    Tell,
}

/// accept(2): errors that were pending on the new connection are its own business; the next one may be fine.
fn after_accept_error(error: Errno) -> AfterError {
    match error {
        Errno::AGAIN => AfterError::Wait,
        Errno::INTR
        | Errno::CONNABORTED
        | Errno::NETDOWN
        | Errno::PROTO
        | Errno::NOPROTOOPT
        | Errno::HOSTDOWN
        | Errno::NONET
        | Errno::HOSTUNREACH
        | Errno::OPNOTSUPP
        | Errno::NETUNREACH
        | Errno::CONNRESET
        | Errno::TIMEDOUT
        | Errno::PERM => AfterError::Again,
        _ => AfterError::Tell,
    }
}

fn bound(addr: &Addr, reuse_port: bool) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(addr.family(), SocketType::STREAM, flags, None)?;
    match addr {
        Addr::Inet(inet) => {
            sockopt::set_socket_reuseaddr(&fd, true)?;
            sockopt::set_tcp_nodelay(&fd, true)?;
            if reuse_port {
                sockopt::set_socket_reuseport(&fd, true)?;
            }
            if inet.is_ipv6() {
                sockopt::set_ipv6_v6only(&fd, true)?;
            }
        }
        Addr::Unix(path) => socket_file::remove_stale(path)?,
    }
    rustix::net::bind(&fd, &addr.to_any()?)?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_of_one_connection_ends_the_accept_loop() {
        use AfterError::*;
        for (error, after) in [
            (Errno::AGAIN, Wait),
            (Errno::INTR, Again),
            (Errno::CONNABORTED, Again),
            (Errno::PROTO, Again),
            (Errno::PERM, Again),
            (Errno::NETUNREACH, Again),
            (Errno::MFILE, Tell),
            (Errno::NFILE, Tell),
            (Errno::NOBUFS, Tell),
            (Errno::NOMEM, Tell),
            (Errno::BADF, Tell),
        ] {
            assert_eq!(after_accept_error(error), after, "{error:?}");
        }
        assert!(is_fd_exhausted(&Errno::MFILE.into()) && is_fd_exhausted(&Errno::NOBUFS.into()));
        assert!(!is_fd_exhausted(&Errno::INVAL.into()));
    }
}

//! A server whose connections the test plays itself.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketType};

use super::DEADLINE;
use super::wire::Wire;

/// Listens; each connection is taken when the test says so.
pub(crate) struct Upstream {
    listener: TcpListener,
}

impl Upstream {
    pub(crate) fn start() -> Upstream {
        Upstream { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind") }
    }

    /// As an endpoint in a configuration.
    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().expect("bound").to_string()
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Wire {
        assert!(self.has_connection(DEADLINE), "nobody connects");
        let (socket, _) = self.listener.accept().expect("accept");
        Wire::tcp(socket, "upstream")
    }

    /// The next connection to either.
    pub(crate) fn accept_of(both: [&Upstream; 2]) -> Wire {
        let limit = Timespec::try_from(DEADLINE).expect("a short time");
        let mut waiting = both.map(|upstream| PollFd::new(&upstream.listener, PollFlags::IN));
        poll(&mut waiting, Some(&limit)).expect("poll");
        let first = usize::from(waiting[0].revents().is_empty());
        both[first].accept()
    }

    /// Nobody connects for a while.
    pub(crate) fn expect_nobody(&self, time: Duration) {
        assert!(!self.has_connection(time), "somebody connects");
    }

    fn has_connection(&self, time: Duration) -> bool {
        let limit = Timespec::try_from(time).expect("a short time");
        poll(&mut [PollFd::new(&self.listener, PollFlags::IN)], Some(&limit)).expect("poll") > 0
    }
}

/// An address where connecting neither succeeds nor fails: the backlog is full. Whoever drops the guard ends that.
pub(crate) fn blackhole() -> (String, impl Drop) {
    let fd = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("socket");
    rustix::net::bind(&fd, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("bind");
    rustix::net::listen(&fd, 0).expect("listen");
    let address = SocketAddr::try_from(rustix::net::getsockname(&fd).expect("bound")).expect("IPv4");
    let mut waiting = Vec::new();
    // The queue of a backlog of 0 takes one connection, by other kernels a few.
    while let Ok(socket) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(socket);
        assert!(waiting.len() < 100, "the backlog is never full");
    }
    (address.to_string(), Blackhole { _listener: fd, _waiting: waiting })
}

struct Blackhole {
    _listener: OwnedFd,
    _waiting: Vec<TcpStream>,
}

impl Drop for Blackhole {
    fn drop(&mut self) {}
}

/// An address where nobody listens, and nobody will: the port is bound for the rest of the run, and never listened on.
pub(crate) fn closed_port() -> String {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
    let bound = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&bound, &std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = std::net::SocketAddr::try_from(getsockname(&bound).unwrap()).unwrap();
    std::mem::forget(bound);
    address.to_string()
}

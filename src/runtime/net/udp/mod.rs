//! UDP sockets of a worker, read and written in batches: recvmmsg(2) and sendmmsg(2), with the kernel's own batching of
//! equal datagrams (udp(7): `UDP_GRO`, `UDP_SEGMENT`) and the address that a datagram was sent to (ip(7): `IP_PKTINFO`).
//!
//! An [`Inbox`] holds what one read brought, an [`Outbox`] is what a write is put together in; a worker has one of each,
//! whatever the number of its sockets. Nothing here queues: a datagram that the kernel does not take is lost and counted,
//! as on any link.

mod control;
mod inbox;
mod name;
mod outbox;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use rustix::net::{SocketFlags, SocketType, sockopt};

use super::Addr;
use crate::runtime::Rt;
use crate::runtime::reactor::Group;
pub use crate::runtime::reactor::Trigger;

pub use inbox::{Inbox, Received};
pub use outbox::{Outbox, Outgoing, Sent};

/// Bytes that may wait in either direction at a listening socket.
const BUFFER: usize = 1 << 20;

/// A bound socket that no worker owns yet. Datagrams wait in it meanwhile.
#[derive(Debug)]
pub struct UdpListener {
    fd: OwnedFd,
    addr: SocketAddr,
}

impl UdpListener {
    /// Binds one socket for each of `workers`, in a `SO_REUSEPORT` group: the kernel gives all datagrams of a client to the
    /// same one. Fails if the address is in use, even by a socket that would share it. Port 0 takes a free one.
    pub fn bind_group(addr: SocketAddr, workers: usize) -> io::Result<Vec<UdpListener>> {
        // bound alone, and open to sharing only thereafter
        let first = bound(addr, false)?;
        sockopt::set_socket_reuseport(&first, true)?;
        let bound_to = Addr::from_any(Some(rustix::net::getsockname(&first)?)).inet().unwrap_or(addr);
        let mut group = vec![UdpListener { fd: first, addr: bound_to }];
        while group.len() < workers {
            group.push(UdpListener { fd: bound(bound_to, true)?, addr: bound_to });
        }
        Ok(group)
    }

    /// Where it is bound, with the port that was chosen.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

impl AsFd for UdpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn bound(addr: SocketAddr, reuse_port: bool) -> io::Result<OwnedFd> {
    let fd = socket(addr)?;
    if reuse_port {
        sockopt::set_socket_reuseport(&fd, true)?;
    }
    if addr.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    if addr.ip().is_unspecified() {
        control::ask_for_destination(&fd, addr.is_ipv6())?;
    }
    control::ask_for_coalescing(&fd);
    // All clients share it: bursts of many meet in it. The kernel caps what it gives (socket(7), rmem_max).
    let _ = sockopt::set_socket_recv_buffer_size(&fd, BUFFER);
    let _ = sockopt::set_socket_send_buffer_size(&fd, BUFFER);
    rustix::net::bind(&fd, &addr)?;
    Ok(fd)
}

fn socket(addr: SocketAddr) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(Addr::Inet(addr).family(), SocketType::DGRAM, flags, None)?)
}

/// A socket connected to one peer: the kernel drops what comes from anybody else, and tells of ICMP errors.
#[derive(Debug)]
pub struct UdpConnection {
    fd: OwnedFd,
}

impl UdpConnection {
    /// Sends nothing; fails if there is no way to `peer`, or no descriptor left.
    pub fn connect(peer: SocketAddr) -> io::Result<UdpConnection> {
        let fd = socket(peer)?;
        rustix::net::connect(&fd, &peer)?;
        Ok(UdpConnection { fd })
    }

    /// From now on the kernel may hand over equal datagrams as one, where it can: to be read with `recv_batch` only.
    pub fn coalesce(&self) {
        control::ask_for_coalescing(&self.fd);
    }

    /// Where it is bound.
    pub fn local_addr(&self) -> Addr {
        super::local_addr(&self.fd)
    }

    /// Where its datagrams go.
    pub fn peer_addr(&self) -> Addr {
        Addr::from_any(rustix::net::getpeername(&self.fd).ok().flatten())
    }
}

impl AsFd for UdpConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The sockets that one task serves. What can be read from one of them brings up its key.
pub struct UdpSet(Group);

impl UdpSet {
    pub fn new(rt: &Rt) -> UdpSet {
        UdpSet(Group::new(rt))
    }

    /// Watches a socket, from now to its end. What waits in it already counts.
    pub fn add(&self, socket: &impl AsFd, key: u32, trigger: Trigger) -> io::Result<()> {
        self.0.add(socket, key, trigger)
    }

    /// Moves the keys of sockets that may be readable, or have an error, to the end of `into`; pending if there are none. A
    /// key may come twice, or after the end of its socket: then a read finds nothing.
    pub fn poll_ready(&self, cx: &mut Context<'_>, into: &mut VecDeque<u32>) -> Poll<()> {
        self.0.poll_ready(cx, into)
    }
}

/// Where a datagram of an unconnected socket goes, and which of the host's addresses it comes from (`None`: the one that
/// the socket is bound to).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    pub peer: SocketAddr,
    pub local: Option<IpAddr>,
}

#[cfg(test)]
mod tests;

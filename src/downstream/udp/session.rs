//! One session: a client, the host it was given, and the socket between the two.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::cluster::{ClusterView, HostView, Permit};
use crate::listener::Admission;
use crate::runtime::net::udp::{Path, UdpConnection};

/// What a session is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) path: Path,
    /// Where each datagram may go elsewhere: the cluster's slot and the address of the host's view.
    pub(super) target: Option<(u32, usize)>,
}

/// One open session. Dropping it closes its socket and gives back what it took.
pub(super) struct Session {
    pub(super) key: Key,
    pub(super) upstream: UdpConnection,
    pub(super) cluster: Rc<ClusterView>,
    host: Rc<HostView>,
    /// The route's name.
    pub(super) route: Arc<str>,
    pub(super) started: Instant,
    /// The last datagram, in either direction.
    pub(super) last: Instant,
    /// Bytes from the client, and to it.
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
    /// Its key stands on the list of sockets to read.
    pub(super) queued: bool,
    /// Its host sends several at a time: its socket is read in batches. Most sessions have one answer to a question, and are
    /// better off with a read that takes one.
    pub(super) is_busy: bool,
    /// The turn in which it was read last.
    visited: u64,
    /// Where its datagrams are chained up in the batch that is being read, if it has any there.
    pub(super) chain: u32,
    _permit: Permit,
    _admission: Admission,
}

impl Session {
    pub(super) fn new(
        key: Key,
        upstream: UdpConnection,
        target: (&Rc<ClusterView>, Rc<HostView>),
        route: Arc<str>,
        now: Instant,
        permits: (Permit, Admission),
    ) -> Session {
        let (cluster, host) = (target.0.clone(), target.1);
        // A balancer that counts requests counts a session as one.
        host.request_started();
        host.stats.cx_total.inc();
        host.stats.cx_active.inc();
        Session {
            key,
            upstream,
            cluster,
            host,
            route,
            started: now,
            last: now,
            bytes_received: 0,
            bytes_sent: 0,
            queued: false,
            is_busy: false,
            visited: 0,
            chain: 0,
            _permit: permits.0,
            _admission: permits.1,
        }
    }

    pub(super) fn host(&self) -> &Rc<HostView> {
        &self.host
    }

    /// Notes that its socket is read in this turn. If it was in the turn before, datagrams come in bursts.
    pub(super) fn note_visit(&mut self, turn: u64) {
        if !self.is_busy && turn.wrapping_sub(self.visited) <= 1 {
            self.is_busy = true;
            self.upstream.coalesce();
        }
        self.visited = turn;
    }

    /// Whether its host is still to be used, asked with each datagram of the client. `cluster`: the one that the datagram is
    /// for, where that is known.
    pub(super) fn is_usable(&self, cluster: Option<&Rc<ClusterView>>) -> bool {
        match cluster {
            // The balancer has just chosen the host, whatever its health.
            Some(cluster) => !self.cluster.is_retired() && Rc::ptr_eq(cluster, &self.cluster),
            None => !self.cluster.is_retired() && !self.cluster.spares(&self.host),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.host().request_ended();
        self.host().stats.cx_active.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<Session>() + 2 * size_of::<(Key, u32)>() <= 512, "{}", size_of::<Session>());
    }
}

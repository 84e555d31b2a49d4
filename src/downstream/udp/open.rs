//! From a client's datagram to its session: the one it has, or a new one, or none and the reason.

use std::rc::Rc;
use std::sync::Arc;

use super::listener::Listener;
use super::session::{Key, Session};
use crate::cluster::balance::{PickCx, address_hash};
use crate::cluster::{ClusterView, HostView, Permit};
use crate::config::{HashPolicy, Priority};
use crate::error::ResponseFlags;
use crate::route::L4Info;
use crate::runtime::net::udp::{Path, Trigger, UdpConnection};

/// Why a datagram has no session. It is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NoRoute,
    NoHost,
    /// The listener's or the process's limit of sessions.
    Sessions,
    /// The cluster's limit of connections.
    Connections,
    /// No socket to the host could be had.
    Socket,
    Draining,
}

impl Refusal {
    pub(super) fn flag(self) -> ResponseFlags {
        match self {
            Refusal::NoRoute => ResponseFlags::NO_ROUTE,
            Refusal::NoHost => ResponseFlags::NO_HEALTHY_UPSTREAM,
            Refusal::Sessions => ResponseFlags::OVERLOAD,
            Refusal::Connections => ResponseFlags::UPSTREAM_OVERFLOW,
            Refusal::Socket => ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
            Refusal::Draining => ResponseFlags::DRAINED,
        }
    }
}

/// Where a route sends a datagram.
struct Target {
    route: Arc<str>,
    slot: usize,
    cluster: Rc<ClusterView>,
    host: Rc<HostView>,
}

impl Listener {
    /// The session of a datagram that came on this path.
    pub(super) fn session_for(&mut self, path: Path) -> Result<u32, Refusal> {
        if self.view.udp.per_packet {
            let target = self.target(path)?;
            // Slots and hosts are far fewer than 2^32: a file of 4 MiB names them.
            let key = Key { path, target: Some((target.slot as u32, Rc::as_ptr(&target.host) as usize)) };
            // A reload may have given the slot to another cluster.
            if let Some(index) = self.find(&key, Some(&target.cluster)) {
                return Ok(index);
            }
            return self.open(key, target);
        }
        let key = Key { path, target: None };
        if let Some(index) = self.find(&key, None) {
            return Ok(index);
        }
        // Before a host is picked: a balancer's turn is not for those who get no session.
        if self.is_draining() {
            return Err(self.draining());
        }
        let target = self.target(path)?;
        self.open(key, target)
    }

    /// The session with this key, if its host is still to be used; one whose host is not ends.
    fn find(&mut self, key: &Key, cluster: Option<&Rc<ClusterView>>) -> Option<u32> {
        let index = self.table.find(key)?;
        if self.table.get(index)?.is_usable(cluster) {
            return Some(index);
        }
        self.end(index, ResponseFlags::default());
        None
    }

    fn draining(&self) -> Refusal {
        self.view.stats.downstream_sess_draining.inc();
        Refusal::Draining
    }

    /// Route, cluster, host.
    fn target(&mut self, path: Path) -> Result<Target, Refusal> {
        let source = path.peer.ip();
        let info = L4Info { source: Some(source), destination_port: self.socket.local_addr().port(), sni: None };
        let Some(route) = self.view.routes.pick(&info) else {
            self.view.stats.downstream_sess_no_route.inc();
            return Err(Refusal::NoRoute);
        };
        let slot = route.action.cluster(self.rng.u64(..)).slot;
        let cluster = &self.view.clusters[slot];
        let of_listener = || match self.view.udp.hash_policy.first()? {
            HashPolicy::SourceIp => Some(address_hash(source)),
        };
        let hash = route.hash(&info).or_else(of_listener);
        match cluster.pick_for(&PickCx { hash, subset: route.subset.as_deref(), ..PickCx::default() }) {
            Some(host) => Ok(Target { route: route.name.clone(), slot, cluster: cluster.clone(), host }),
            None => {
                cluster.stats.upstream_cx_none_healthy.inc();
                Err(Refusal::NoHost)
            }
        }
    }

    fn open(&mut self, key: Key, target: Target) -> Result<u32, Refusal> {
        if self.is_draining() {
            return Err(self.draining());
        }
        let Target { route, cluster, host, .. } = target;
        let Ok(admission) = self.slot.sessions.admit() else {
            self.view.stats.downstream_sess_overflow.inc();
            return Err(Refusal::Sessions);
        };
        let Some(permit) = Permit::try_connection(&cluster, Priority::Default, &host) else {
            cluster.stats.upstream_cx_overflow.inc();
            return Err(Refusal::Connections);
        };
        // The configuration refuses routes to clusters with a UNIX socket.
        let address = host.address().inet().ok_or(Refusal::NoHost)?;
        let index = self.table.next_index();
        let upstream = UdpConnection::connect(address);
        let upstream = upstream.and_then(|upstream| self.set.add(&upstream, index, Trigger::Level).map(|()| upstream));
        let upstream = upstream.map_err(|error| {
            log::debug!("listener {}: {address}: {error}", self.slot.name);
            cluster.stats.upstream_cx_connect_fail.inc();
            host.stats.cx_connect_fail.inc();
            Refusal::Socket
        })?;
        host.note_connected(&address.into());
        let now = self.slot.worker.rt.now();
        let session = Session::new(key, upstream, (&cluster, host), route, now, (permit, admission));
        self.view.stats.downstream_sess_total.inc();
        self.view.stats.downstream_sess_active.inc();
        Ok(self.table.insert(session))
    }
}

//! A worker's own part of a cluster: the balancer, the idle connections of each host, and the requests that wait for
//! a connection. Nothing here is shared, so nothing here is locked.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::balance::{Balancer, Rendezvous};
use super::originals::Originals;
use super::{Cluster, Host, Resource};
use crate::config::{ClusterProtocol, Discovery};
use crate::runtime::{Reader, Rt};
use crate::stats::{ClusterStats, ClusterUdpStats, Handle, Http2Stats, TlsStats};
use crate::stream::info::ConnectionInfo;
use crate::tls::ClientContext;
use crate::upstream::pool::Pool;

/// A worker's reference to a host.
#[derive(Debug)]
pub struct HostView(Arc<Host>);

impl HostView {
    pub fn new(host: Arc<Host>) -> HostView {
        HostView(host)
    }
}

impl std::ops::Deref for HostView {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.0
    }
}

/// TLS with the hosts of a cluster.
pub struct ClientTls {
    /// Certificates may be replaced at any time.
    pub context: Reader<ClientContext>,
    pub stats: Handle<TlsStats>,
}

pub struct ClusterView {
    pub shared: Arc<Cluster>,
    /// Counted on this worker, so that a request does not touch what others write.
    pub name: Rc<str>,
    hosts: Box<[Rc<HostView>]>,
    pub stats: Handle<ClusterStats>,
    pub http2_stats: Handle<Http2Stats>,
    pub udp_stats: Handle<ClusterUdpStats>,
    /// A copy for each worker: its references are counted where no other worker writes.
    pub h2_limits: Arc<nuncio_h2::Limits>,
    pub pool: Pool,
    /// TLS with its hosts.
    pub tls: Option<ClientTls>,
    pub rt: Rt,
    balancer: RefCell<Balancer>,
    /// Made when a hash first asks for it.
    rendezvous: OnceCell<Rendezvous>,
    rng: RefCell<fastrand::Rng>,
    /// A view for each destination, where the hosts are those that clients meant to reach.
    originals: Option<Originals>,
    /// Removed from the configuration: connections are closed when their request ends.
    retired: Cell<bool>,
}

impl ClusterView {
    pub fn new(shared: Arc<Cluster>, rt: &Rt) -> Rc<ClusterView> {
        let originals = (shared.config.discovery == Discovery::OriginalDst).then(Originals::default);
        let hosts = shared.hosts.clone();
        ClusterView::with_hosts(shared, &hosts, originals, rt)
    }

    pub(super) fn with_hosts(
        shared: Arc<Cluster>,
        hosts: &[Arc<Host>],
        originals: Option<Originals>,
        rt: &Rt,
    ) -> Rc<ClusterView> {
        let mut rng = fastrand::Rng::new();
        let weights: Vec<u32> = hosts.iter().map(|host| host.weight()).collect();
        Rc::new(ClusterView {
            name: Rc::from(&*shared.name),
            hosts: hosts.iter().map(|host| Rc::new(HostView::new(host.clone()))).collect(),
            stats: shared.stats.worker(rt.worker_index()),
            http2_stats: shared.http2_stats.worker(rt.worker_index()),
            udp_stats: shared.udp_stats.worker(rt.worker_index()),
            h2_limits: Arc::new(shared.config.http.limits()),
            pool: Pool::new(hosts.len()),
            tls: shared
                .tls
                .as_ref()
                .map(|tls| ClientTls { context: tls.context.reader(), stats: tls.stats.worker(rt.worker_index()) }),
            balancer: RefCell::new(Balancer::new(shared.config.balancing.policy, &weights, &mut rng)),
            rendezvous: OnceCell::new(),
            rng: RefCell::new(rng),
            rt: rt.clone(),
            originals,
            retired: Cell::new(false),
            shared,
        })
    }

    /// The part of the cluster that may serve this client: all of it, but where its hosts are those that clients meant to
    /// reach. `None`: this client was not redirected, and its destination is the listener itself.
    pub fn serving(self: &Rc<Self>, client: &ConnectionInfo) -> Option<Rc<ClusterView>> {
        match &self.originals {
            None => Some(self.clone()),
            Some(originals) => {
                let destination = client.local.inet().filter(|_| client.redirected)?;
                Some(originals.view(&self.shared, destination, &self.rt))
            }
        }
    }

    /// The host speaks HTTP/2, as far as is known. Where the TLS handshake decides, one connection is opened to learn it,
    /// and the other requests wait for that.
    pub fn is_http2(&self, host: usize) -> bool {
        match self.shared.config.protocol {
            ClusterProtocol::H1 => false,
            ClusterProtocol::H2 => true,
            ClusterProtocol::Auto => self.tls.is_some() && self.pool.http2.speaks(host).unwrap_or(true),
        }
    }

    /// The host for the next request, by its index.
    pub fn pick(&self) -> Option<usize> {
        let hosts = &self.hosts;
        self.balancer.borrow_mut().pick(&mut self.rng.borrow_mut(), |at| hosts[at].active_requests())
    }

    /// The host for whatever has this hash: the same one as long as it is there.
    pub fn pick_by_hash(&self, hash: u64) -> Option<usize> {
        let hosts = || self.hosts.iter().map(|host| (host.address.to_string(), host.weight().into()));
        self.rendezvous.get_or_init(|| Rendezvous::new(hosts())).pick(hash)
    }

    pub fn host(&self, index: usize) -> &Rc<HostView> {
        &self.hosts[index]
    }

    /// Requests of other workers that wait for a permit, while idle connections of ours may hold some for nothing.
    pub fn wanted_elsewhere(&self) -> usize {
        (self.shared.breaker.used(Resource::PendingRequests) as usize).saturating_sub(self.pool.waiting())
    }

    /// Somebody waits for a permit, or soon may while an idle connection holds one.
    pub fn is_short(&self) -> bool {
        self.originals.as_ref().is_some_and(Originals::is_short)
            || self.pool.waiting() > 0
            || self.pool.idle_count() > 0 && self.shared.breaker.is_open(Resource::Connections)
    }

    /// Closes idle connections in time, and those that other workers wait for; lets those who wait look again: permits
    /// are shared, and nobody tells us when one comes free elsewhere.
    pub fn sweep(&self) {
        for _ in 0..self.wanted_elsewhere() {
            if !self.pool.evict_oldest() {
                break;
            }
        }
        let timed_out = self.pool.sweep(self.rt.now(), self.shared.config.idle_timeout);
        self.stats.upstream_cx_idle_timeout.add(timed_out as u64);
        if let Some(originals) = &self.originals {
            originals.sweep(self.rt.now());
        }
    }

    /// No idle connection, and nobody waits for one.
    pub fn is_unused(&self) -> bool {
        self.pool.is_unused() && self.originals.as_ref().is_none_or(Originals::is_unused)
    }

    /// The cluster is gone from the configuration: nothing is kept idle from now on.
    pub fn retire(&self) {
        self.retired.set(true);
        self.pool.clear();
        for connection in self.pool.http2.all() {
            connection.retire(self.rt.now());
        }
        if let Some(originals) = &self.originals {
            originals.retire();
        }
    }

    pub fn is_retired(&self) -> bool {
        self.retired.get()
    }
}

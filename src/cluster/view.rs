//! A worker's own part of a cluster: what it knows of the plan, the hosts it has connections to, and the requests that wait
//! for one. Nothing here is shared, so nothing here is locked.
//!
//! The plan is swapped by the control thread. A worker notices at its next pick, by one atomic load, or at its next sweep: then
//! hosts that are gone begin to lose their idle connections; what is in flight to them goes on.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::balance::{PickCx, Picker};
use super::host_view::HostViews;
use super::originals::Originals;
use super::{Cluster, Health, HostView, Plan, Resource, Tempo};
use crate::config::{ClusterProtocol, Discovery, Priority};
use crate::runtime::{Published, Reader, Rt};
use crate::stats::{ClusterStats, ClusterUdpStats, Handle, Http2Stats, LazyHandle, TlsStats};
use crate::stream::info::ConnectionInfo;
use crate::tls::ClientContext;
use crate::upstream::pool::Pool;

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
    pub stats: LazyHandle<ClusterStats>,
    pub http2_stats: LazyHandle<Http2Stats>,
    pub udp_stats: LazyHandle<ClusterUdpStats>,
    /// A copy for each worker: its references are counted where no other worker writes.
    h2_limits: OnceCell<Arc<nuncio_h2::Limits>>,
    pub pool: Pool,
    /// TLS with its hosts.
    pub tls: Option<ClientTls>,
    pub rt: Rt,
    /// How fast its hosts answer; known where a route races.
    tempo: OnceCell<Box<RefCell<Tempo>>>,
    reader: Reader<Plan>,
    members: RefCell<Members>,
    views: Rc<HostViews>,
    rng: RefCell<fastrand::Rng>,
    /// A view for each destination, where the hosts are those that clients meant to reach.
    originals: Option<Originals>,
    /// Removed from the configuration: connections are closed when their request ends.
    retired: Cell<bool>,
}

/// The plan as this worker has it.
struct Members {
    plan: Arc<Plan>,
    picker: Picker,
}

impl ClusterView {
    pub fn new(shared: Arc<Cluster>, rt: &Rt) -> Rc<ClusterView> {
        let originals = (shared.config.discovery == Discovery::OriginalDst).then(Originals::default);
        let plan = shared.plan.clone();
        ClusterView::with_plan(shared, &plan, originals, rt)
    }

    pub(super) fn with_plan(
        shared: Arc<Cluster>,
        plan: &Arc<Published<Plan>>,
        originals: Option<Originals>,
        rt: &Rt,
    ) -> Rc<ClusterView> {
        let reader = plan.reader();
        let (plan, stats) = (reader.get(), shared.stats.lazy_worker(rt.worker_index()));
        let members = Members { plan, picker: Picker::new(&shared.config.balancing, stats.clone()) };
        Rc::new(ClusterView {
            name: Rc::from(&*shared.name),
            stats,
            http2_stats: shared.http2_stats.lazy_worker(rt.worker_index()),
            udp_stats: shared.udp_stats.lazy_worker(rt.worker_index()),
            h2_limits: OnceCell::new(),
            pool: Pool::default(),
            tls: shared
                .tls
                .as_ref()
                .map(|tls| ClientTls { context: tls.context.reader(), stats: tls.stats.worker(rt.worker_index()) }),
            tempo: OnceCell::new(),
            reader,
            members: RefCell::new(members),
            views: Rc::default(),
            rng: RefCell::default(),
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
    pub fn is_http2(&self, host: &HostView) -> bool {
        match self.shared.config.protocol {
            ClusterProtocol::H1 => false,
            ClusterProtocol::H2 => true,
            ClusterProtocol::Auto => self.tls.is_some() && host.http2.speaks().unwrap_or(true),
        }
    }

    /// The host for the next request that says nothing of where it would go.
    pub fn pick(&self) -> Option<Rc<HostView>> {
        self.pick_for(&PickCx::default())
    }

    /// The host for the next request. How many are in flight on the cluster need not be said.
    pub fn pick_for(&self, cx: &PickCx<'_>) -> Option<Rc<HostView>> {
        self.refresh();
        let mut members = self.members.borrow_mut();
        let Members { plan, picker } = &mut *members;
        let used = |priority| self.shared.breaker.used(priority, Resource::Requests);
        let cx = PickCx { in_flight: used(Priority::Default).saturating_add(used(Priority::High)), ..*cx };
        let place = picker.pick(plan, &cx, &mut self.rng.borrow_mut())?;
        plan.hosts().get(place).map(|host| self.views.of(host))
    }

    /// What goes to this host would better go to another one: it is unhealthy, and others are not.
    pub fn spares(&self, host: &HostView) -> bool {
        host.health() == Health::Unhealthy && self.shared.membership.healthy() > 0
    }

    /// How its hosts are spoken to over HTTP/2.
    pub fn h2_limits(&self) -> &Arc<nuncio_h2::Limits> {
        self.h2_limits.get_or_init(|| Arc::new(self.shared.config.http.limits()))
    }

    /// How fast its hosts answer.
    pub fn tempo(&self) -> &RefCell<Tempo> {
        self.tempo.get_or_init(Box::default)
    }

    /// Takes the newest plan.
    fn refresh(&self) {
        let Some(plan) = self.reader.newer() else { return };
        self.members.borrow_mut().plan = plan;
        self.views.tidy(&self.rt);
    }

    /// Hosts that this worker has been in touch with.
    pub fn hosts(&self) -> Vec<Rc<HostView>> {
        self.views.all()
    }

    /// Requests of other workers that wait for a permit, while idle connections of ours may hold some for nothing.
    pub fn wanted_elsewhere(&self) -> usize {
        (self.shared.breaker.used_in_all(Resource::PendingRequests) as usize).saturating_sub(self.pool.pending())
    }

    /// Somebody waits for a permit, or soon may while an idle connection holds one.
    pub fn is_short(&self) -> bool {
        self.originals.as_ref().is_some_and(Originals::is_short)
            || self.pool.waiting() > 0
            || self.pool.idle_count() > 0 && self.shared.breaker.is_open_for_any(Resource::Connections)
    }

    /// Closes the idle connection that was used longest ago, of any host: it gives its permit to a host that has none.
    pub fn evict_oldest(&self) -> bool {
        self.pool.evict_oldest(&self.hosts())
    }

    /// Closes idle connections in time, and those that other workers wait for; lets those who wait look again: permits
    /// are shared, and nobody tells us when one comes free elsewhere.
    pub fn sweep(&self) {
        self.refresh();
        for _ in 0..self.wanted_elsewhere() {
            if !self.evict_oldest() {
                break;
            }
        }
        let timed_out = self.pool.sweep(&self.hosts(), self.rt.now(), self.shared.config.idle_timeout);
        if timed_out > 0 {
            self.stats.upstream_cx_idle_timeout.add(timed_out as u64);
        }
        if let Some(originals) = &self.originals {
            originals.sweep(self.rt.now());
        }
    }

    /// No idle connection, and nobody waits for one.
    pub fn is_unused(&self) -> bool {
        self.pool.is_unused()
            && self.views.are_all(|host| host.http2.is_empty())
            && self.originals.as_ref().is_none_or(Originals::is_unused)
    }

    /// The cluster is gone from the configuration: nothing is kept idle from now on.
    pub fn retire(&self) {
        self.retired.set(true);
        for host in self.hosts() {
            host.retire(&self.rt);
        }
        if let Some(originals) = &self.originals {
            originals.retire();
        }
    }

    pub fn is_retired(&self) -> bool {
        self.retired.get()
    }
}

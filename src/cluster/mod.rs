//! Clusters: which hosts serve a name, and which of them takes the next request.
//!
//! [`Cluster`] and [`Host`] are shared by all workers: their counters are atomics, because limits hold over the whole
//! process. [`ClusterView`] is a worker's own part: its balancer and its idle connections. Policy is sans-IO and
//! takes what it needs as arguments, so that it is tested by seeded simulation.

pub mod balance;
mod breaker;
mod discovery;
pub mod health;
mod host;
mod host_view;
mod inherited;
mod keeper;
mod membership;
mod originals;
pub mod outlier;
mod place;
mod plan;
mod retry;
mod roster;
mod tempo;
#[cfg(test)]
mod testing;
mod view;

use std::sync::Arc;

pub use breaker::{Breaker, Permit, Resource};
pub use health::{CheckLimit, ClusterHealth};
pub use host::{Alternatives, Flag, Health, Host, Identity, LastCheck, Metadata};
pub use host_view::{Busy, HostView};
pub use keeper::Keeper;
pub use membership::Membership;
pub use outlier::ClusterOutliers;
pub use place::{Place, settle};
pub use plan::{Group, LocalZones, Plan, Selection, Share, SubsetKey, Why};
pub use retry::{Asked, Decision, Pace, Refusal, RetryCx, RetryEvent, RetryPolicy, RetryState};
pub use tempo::Tempo;
pub use view::{ClientTls, ClusterView};

use crate::config::{self, Discovery};
use crate::runtime::Published;
use crate::runtime::control::{self, Signal};
use crate::runtime::net::Addr;
use crate::runtime_values::ClusterValues;
use crate::stats::{ClusterStats, ClusterUdpStats, Http2Stats, Registry, Scope, TlsStats};
use crate::tls::{ClientContext, LoadError, SystemRoots};

/// A cluster, shared by all workers.
pub struct Cluster {
    pub name: Arc<str>,
    /// The same that the configuration has.
    pub config: Arc<config::Cluster>,
    /// Replaced whenever hosts or their health change.
    pub plan: Arc<Published<Plan>>,
    /// Kept by the name of the cluster: one that replaces this one counts in the same place.
    pub membership: Arc<Membership>,
    /// Where this proxy is, and others like it.
    pub place: Place,
    /// Something about its hosts has changed, or may have.
    pub signal: Signal,
    pub breaker: Breaker,
    /// Where hosts are judged by how they serve.
    pub outliers: Option<ClusterOutliers>,
    /// What may change while the proxy runs, besides its hosts.
    pub values: ClusterValues,
    /// Where its hosts are checked.
    pub health: Option<ClusterHealth>,
    pub stats: Arc<Scope<ClusterStats>>,
    pub http2_stats: Arc<Scope<Http2Stats>>,
    pub udp_stats: Arc<Scope<ClusterUdpStats>>,
    pub tls: Option<ClusterTls>,
}

/// TLS with the hosts of a cluster.
pub struct ClusterTls {
    pub context: Arc<Published<ClientContext>>,
    pub stats: Arc<Scope<TlsStats>>,
}

impl config::Endpoint {
    /// The host that it is, if it names one by its address.
    fn identity(&self) -> Option<Identity> {
        Some(self.identity_at(self.address.address()?.clone()))
    }

    /// A host that stands for it where nothing runs: one that is found by name has no address.
    pub(crate) fn assumed_host(&self) -> Arc<Host> {
        let nowhere = || Addr::Inet(std::net::SocketAddr::from(([0, 0, 0, 0], 0)));
        let address = self.address.address().cloned().unwrap_or_else(nowhere);
        Arc::new(Host::new(self.identity_at(address), self.weight))
    }

    /// A host of it.
    fn identity_at(&self, address: Addr) -> Identity {
        Identity {
            priority: self.priority,
            // Nothing is allocated for none.
            zone: if self.zone.is_empty() { Arc::default() } else { Arc::from(&*self.zone) },
            metadata: self.metadata.clone().into(),
            ..Identity::of(address)
        }
    }
}

impl Cluster {
    /// `known`: hosts of the cluster that it replaces ([`Cluster::hosts_for`]). They are not touched before it is kept.
    ///
    /// # Errors
    /// A file of its `tls` that cannot be used.
    pub fn new(
        name: &str,
        config: &Arc<config::Cluster>,
        known: &[Arc<Host>],
        registry: &mut Registry,
        workers: usize,
        system: &Arc<SystemRoots>,
    ) -> Result<Cluster, LoadError> {
        let tls = match &config.tls {
            None => None,
            Some(tls) => Some(ClusterTls {
                context: Arc::new(Published::new(ClientContext::load(tls, system)?)),
                stats: registry.scope::<TlsStats>(&format!("cluster.{name}.ssl"), workers),
            }),
        };
        let host = |endpoint: &config::Endpoint| {
            let identity = endpoint.identity()?;
            let known = known.iter().find(|host| host.is(&identity)).cloned();
            Some(known.unwrap_or_else(|| {
                let host = Host::new(identity, endpoint.weight);
                host.set(Flag::Unchecked, config.health_check.is_some());
                Arc::new(host)
            }))
        };
        let hosts: Vec<Arc<Host>> = match config.discovery {
            Discovery::Static => config.endpoints.iter().filter_map(host).collect(),
            Discovery::OriginalDst => Vec::new(),
            // Those that were found last serve until others are found.
            _ => known.to_vec(),
        };
        let plan = Plan::build(hosts, &config.balancing, "", None, control::now());
        let membership = Membership::default();
        membership.count(plan.hosts().iter().map(|host| &**host));
        let membership = Arc::new(membership);
        let health = config.health_check.is_some().then(|| ClusterHealth::new(name, registry, workers));
        Ok(Cluster {
            name: name.into(),
            config: config.clone(),
            plan: Arc::new(Published::new(plan)),
            membership,
            place: Place::default(),
            signal: Signal::default(),
            breaker: Breaker::new(config.circuit_breaker),
            outliers: config.outlier_detection.is_some().then(|| ClusterOutliers::new(name, registry)),
            // Whoever has the values of the process puts them in.
            values: ClusterValues::default(),
            health,
            stats: registry.scope::<ClusterStats>(&format!("cluster.{name}"), workers),
            http2_stats: registry.scope::<Http2Stats>(&format!("cluster.{name}.http2"), workers),
            udp_stats: registry.scope::<ClusterUdpStats>(&format!("cluster.{name}.udp"), workers),
            tls,
        })
    }

    /// From now on workers pick by this. Gives the plan that they may still have.
    fn publish(&self, plan: Plan) -> Arc<Plan> {
        self.membership.count(plan.hosts().iter().map(|host| &**host));
        self.place.tell(&self.config.balancing, plan.hosts());
        self.plan.set(plan)
    }

    /// All its hosts, as they are now.
    pub fn hosts(&self) -> Vec<Arc<Host>> {
        self.plan.get().hosts().to_vec()
    }
}

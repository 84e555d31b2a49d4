//! Clusters: which hosts serve a name, and which of them takes the next request.
//!
//! [`Cluster`] and [`Host`] are shared by all workers: their counters are atomics, because limits hold over the whole
//! process. [`ClusterView`] is a worker's own part: its balancer and its idle connections. Policy is sans-IO and
//! takes what it needs as arguments, so that it is tested by seeded simulation.

pub mod balance;
mod breaker;
mod host;
mod originals;
mod plan;
#[cfg(test)]
mod testing;
mod view;

use std::sync::Arc;

pub use breaker::{Breaker, Permit, Resource};
pub use host::{Flag, Health, Host, Identity};
pub use plan::{Group, LocalZones, Plan, Selection, Share, SubsetKey, Why};
pub use view::{ClientTls, ClusterView, HostView};

use crate::config;
use crate::runtime::Published;
use crate::stats::{ClusterStats, ClusterUdpStats, Http2Stats, Registry, Scope, TlsStats};
use crate::tls::{ClientContext, LoadError, SystemRoots};

/// A cluster, shared by all workers.
pub struct Cluster {
    pub name: Arc<str>,
    pub config: config::Cluster,
    pub hosts: Vec<Arc<Host>>,
    pub breaker: Breaker,
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

impl Cluster {
    /// # Errors
    /// A file of its `tls` that cannot be used.
    pub fn new(
        name: &str,
        config: &config::Cluster,
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
        let hosts =
            config.endpoints.iter().map(|e| Arc::new(Host::new(Identity::of(e.address.clone()), e.weight))).collect();
        Ok(Cluster {
            name: name.into(),
            config: config.clone(),
            hosts,
            breaker: Breaker::new(config.circuit_breaker),
            stats: registry.scope::<ClusterStats>(&format!("cluster.{name}"), workers),
            http2_stats: registry.scope::<Http2Stats>(&format!("cluster.{name}.http2"), workers),
            udp_stats: registry.scope::<ClusterUdpStats>(&format!("cluster.{name}.udp"), workers),
            tls,
        })
    }
}

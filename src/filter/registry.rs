//! From the configuration's `type` to the filter: one exhaustive match.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::FilterFactory;
use super::buffer::BufferFactory;
use super::client_tls_auth::ClientTlsAuthFactory;
use super::connection_limit::ConnectionLimitFactory;
use super::cors::CorsFactory;
use super::fault::FaultFactory;
use super::grpc_stats::GrpcStatsFactory;
use super::grpc_web::GrpcWebFactory;
use super::header_mutation::HeaderMutationFactory;
use super::health_check::{Failing, HealthCheckFactory};
use super::ip_ranges::IpRangesFactory;
use super::local_rate_limit::LocalRateLimitFactory;
use super::target::{Echo, SniCluster};
use crate::cluster::Membership;
use crate::config::Filter;
use crate::runtime_values::RuntimeValues;
use crate::stats::{Registry, Scope, ScopeStats};

/// The filters of a listener or route, in the order of the configuration.
pub type Factories = [Arc<dyn FilterFactory>];

/// What a factory is built with.
pub struct Build<'a> {
    pub registry: &'a mut Registry,
    pub values: &'a mut RuntimeValues,
    pub around: &'a Around,
    /// `http` or `tcp`: `http.NAME.` stands before the filter's own stats.
    pub scope: &'a str,
    /// The chain's name.
    pub listener: &'a str,
    pub workers: usize,
}

/// What filters may know of the process.
#[derive(Debug, Default)]
pub struct Around {
    pub failing: Arc<Failing>,
    /// `node.cluster`
    pub node_cluster: String,
    /// How many hosts each cluster has, by its name.
    pub memberships: BTreeMap<String, Arc<Membership>>,
}

impl Around {
    /// That of a cluster; of one that is not there, that of a cluster without hosts.
    pub(super) fn membership(&self, cluster: &str) -> Arc<Membership> {
        self.memberships.get(cluster).cloned().unwrap_or_default()
    }
}

/// The factory for each configured filter.
pub fn build(filters: &[Filter], cx: &mut Build<'_>) -> Vec<Arc<dyn FilterFactory>> {
    filters.iter().map(|filter| factory(filter, cx)).collect()
}

fn factory(filter: &Filter, cx: &mut Build<'_>) -> Arc<dyn FilterFactory> {
    match filter {
        Filter::Buffer(config) => Arc::new(BufferFactory::new(config, cx)),
        Filter::Cors(config) => Arc::new(CorsFactory::new(config, cx)),
        Filter::Fault(config) => Arc::new(FaultFactory::new(config, cx)),
        Filter::GrpcStats(config) => Arc::new(GrpcStatsFactory::new(config, cx)),
        Filter::GrpcWeb(_) => Arc::new(GrpcWebFactory),
        Filter::HeaderMutation(config) => Arc::new(HeaderMutationFactory::new(config, cx)),
        Filter::HealthCheck(config) => Arc::new(HealthCheckFactory::new(config, cx)),
        Filter::LocalRateLimit(config) => Arc::new(LocalRateLimitFactory::new(config, cx)),
        Filter::IpAllow(config) => Arc::new(IpRangesFactory::new(config, true, cx)),
        Filter::IpDeny(config) => Arc::new(IpRangesFactory::new(config, false, cx)),
        Filter::ConnectionLimit(config) => Arc::new(ConnectionLimitFactory::new(config, cx)),
        Filter::ClientTlsAuth(config) => Arc::new(ClientTlsAuthFactory::new(config, cx)),
        Filter::SniCluster(_) => Arc::new(SniCluster),
        Filter::Echo(_) => Arc::new(Echo),
    }
}

impl Build<'_> {
    /// The listener's scope of a filter's stats. Filters of one type share it.
    pub(super) fn scope<T: ScopeStats>(&mut self) -> Arc<Scope<T>> {
        self.registry.scope(&format!("{}.{}", self.scope, self.listener), self.workers)
    }
}

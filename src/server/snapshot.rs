//! A configuration made ready to serve: listeners with their chains (`chain`), clusters with their hosts. Made on the
//! control thread, shared by all workers, never changed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::UdpSnapshot;
use super::chain::ChainSnapshot;
use crate::access_log::Sinks;
use crate::cluster::Cluster;
use crate::config::{self, Config};
use crate::filter::Around;
use crate::listener::{Arrival, ConnectionLimit};
use crate::order;
use crate::runtime::net::Addr;
use crate::runtime_values::{ClusterValues, RuntimeValues};
use crate::stats::{ListenerStats, Registry, Scope};
use crate::tls::{ClientContext, SystemRoots};

/// One configuration, ready to serve. The default has nothing to serve.
#[derive(Default)]
pub struct Snapshot {
    pub config: Config,
    pub listeners: Vec<Arc<ListenerSnapshot>>,
    pub udp: Vec<Arc<UdpSnapshot>>,
    /// In the order of their names; routes name them by their place.
    pub clusters: Vec<Arc<Cluster>>,
}

/// One listener, ready to serve.
pub struct ListenerSnapshot {
    /// What stays the same over reloads: the address, or the name where the kernel chooses the port.
    pub key: String,
    pub name: Arc<str>,
    pub address: Addr,
    pub backlog: i32,
    pub connections: Arc<ConnectionLimit>,
    pub stats: Arc<Scope<ListenerStats>>,
    pub arrival: Arc<Arrival>,
    /// At least one; `arrival` names them by their place.
    pub chains: Vec<ChainSnapshot>,
}

impl Snapshot {
    /// Every listener's name, and the key that it keeps over reloads.
    pub(super) fn names_and_keys(&self) -> impl Iterator<Item = (&Arc<str>, &String)> {
        let connections = self.listeners.iter().map(|listener| (&listener.name, &listener.key));
        connections.chain(self.udp.iter().map(|listener| (&listener.name, &listener.key)))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.names_and_keys().map(|(_, key)| key)
    }
}

/// Something that only turns up while building. The configuration reader finds nearly all of it first, with a position.
#[derive(Debug)]
pub(super) struct BuildError(pub(super) String);

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a build takes from the running process.
pub(super) struct Builder<'a> {
    pub(super) registry: &'a mut Registry,
    pub(super) values: &'a mut RuntimeValues,
    pub(super) logs: &'a mut Sinks,
    pub(super) workers: usize,
    pub(super) system_roots: &'a Arc<SystemRoots>,
    pub(super) drain_time: Duration,
    /// What filters may know; the clusters are gathered by the build.
    pub(super) around: Around,
    /// What runs now: the same clusters and connection counts are kept.
    pub(super) current: &'a Snapshot,
    /// Gathered by the build.
    pub(super) renewed: Vec<Renewed>,
}

/// A cluster that stays as it is and gets its certificates anew, once nothing can fail any more.
pub(super) struct Renewed {
    pub(super) cluster: Arc<Cluster>,
    pub(super) context: ClientContext,
}

impl Builder<'_> {
    pub(super) fn build(&mut self, mut config: Config) -> Result<Snapshot, BuildError> {
        let clusters = config.clusters.iter().map(|(name, cluster)| self.cluster(name, cluster));
        let clusters = clusters.collect::<Result<Vec<Arc<Cluster>>, BuildError>>()?;
        // Those that stay as they are have their own already.
        for (shared, cluster) in config.clusters.values_mut().zip(&clusters) {
            *shared = cluster.config.clone();
        }
        let membership = |cluster: &Arc<Cluster>| (cluster.name.to_string(), cluster.membership.clone());
        self.around.memberships = order::map(clusters.iter().map(membership));
        let slots = Slots(order::map(config.clusters.keys().enumerate().map(|(at, name)| (name.as_str(), at))));
        let listeners = config
            .listeners
            .iter()
            .map(|listener| self.listener(&config, listener, &slots).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let udp =
            config.listeners.udp.iter().map(|listener| self.udp_listener(&config, listener, &slots).map(Arc::new));
        let udp = udp.collect::<Result<_, _>>()?;
        Ok(Snapshot { listeners, udp, clusters, config })
    }

    fn cluster(&mut self, name: &str, config: &Arc<config::Cluster>) -> Result<Arc<Cluster>, BuildError> {
        let current = self.current.clusters.iter().find(|cluster| &*cluster.name == name);
        let refused = |error| BuildError(format!("cluster {name}: tls: {error}"));
        let warn = |context: &ClientContext| {
            context.warnings().iter().for_each(|warning| log::warn!("cluster {name}: tls: {warning}"));
        };
        if let Some(cluster) = current.filter(|cluster| cluster.config == *config) {
            if let (Some(tls), Some(config)) = (&cluster.tls, &config.tls) {
                let context = tls.context.get().reload(config).map_err(refused)?;
                warn(&context);
                self.renewed.push(Renewed { cluster: cluster.clone(), context });
            }
            return Ok(cluster.clone());
        }
        let known = current.map(|cluster| cluster.hosts_for(config)).unwrap_or_default();
        let cluster = Cluster::new(name, config, &known, self.registry, self.workers, self.system_roots);
        let mut cluster = Cluster { values: ClusterValues::new(name, self.values), ..cluster.map_err(refused)? };
        if let Some(current) = current {
            cluster.membership = current.membership.clone();
        }
        if let Some((health, log)) =
            cluster.health.as_mut().zip(config.health_check.as_ref().and_then(|it| it.log.as_ref()))
        {
            let opened = self.logs.open_lines(&log.path);
            health.log =
                Some(opened.map_err(|error| BuildError(format!("cluster {name}: health_check: log: {error}")))?);
        }
        if let Some(outliers) = &mut cluster.outliers {
            let log = config.outlier_detection.as_ref().and_then(|detection| detection.log.as_ref());
            let opened = log.map(|log| self.logs.open_lines(&log.path)).transpose();
            outliers.log =
                opened.map_err(|error| BuildError(format!("cluster {name}: outlier_detection: log: {error}")))?;
        }
        if let Some(tls) = &cluster.tls {
            warn(&tls.context.get());
        }
        Ok(Arc::new(cluster))
    }

    fn listener(
        &mut self,
        config: &Config,
        listener: &config::Listener,
        slots: &Slots<'_>,
    ) -> Result<ListenerSnapshot, BuildError> {
        let key = key(listener);
        let running = self.current.listeners.iter().find(|running| running.key == key);
        let connections =
            running.map_or_else(|| Arc::new(ConnectionLimit::new(0)), |running| running.connections.clone());
        let logs = listener.access_log.as_ref().unwrap_or(&config.access_log);
        let chains = listener
            .chains
            .iter()
            .map(|chain| self.chain(chain, &listener.address, logs, slots))
            .collect::<Result<_, _>>()?;
        Ok(ListenerSnapshot {
            name: listener.name.as_str().into(),
            address: listener.address.clone(),
            backlog: i32::try_from(listener.tcp_backlog_size).unwrap_or(i32::MAX),
            connections,
            stats: self.registry.scope::<ListenerStats>(&format!("listener.{}", listener.address), self.workers),
            arrival: Arc::new(Arrival::new(listener)),
            chains,
            key,
        })
    }
}

/// The places of the clusters, by name.
pub(super) struct Slots<'a>(BTreeMap<&'a str, usize>);

impl Slots<'_> {
    /// The reader has checked that every name exists.
    pub(super) fn find(&self, cluster: &str) -> usize {
        self.0.get(cluster).copied().unwrap_or_default()
    }
}

fn key(listener: &config::Listener) -> String {
    match &listener.address {
        Addr::Inet(address) if address.port() == 0 => format!("{}#{}", listener.address, listener.name),
        address => address.to_string(),
    }
}

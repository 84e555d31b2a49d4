//! A configuration made ready to serve: route tables compiled, filters built, clusters with their hosts. Made on the
//! control thread, shared by all workers, never changed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::UdpSnapshot;
use crate::access_log::{Log, Sinks};
use crate::cluster::Cluster;
use crate::config::{self, Config, FilterOverride};
use crate::filter::{self, FilterFactory};
use crate::listener::{ConnectionLimit, RouteExtras};
use crate::route::RouteTable;
use crate::runtime::net::Addr;
use crate::stats::{Http2Stats, HttpStats, ListenerStats, Registry, Scope};
use crate::stream::edits::HeaderEditor;

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
    pub http: Arc<config::Http>,
    pub limits: Arc<nuncio_h1::Limits>,
    pub h2_limits: nuncio_h2::Limits,
    pub routes: Arc<RouteTable>,
    pub extras: Arc<[RouteExtras]>,
    pub filters: Arc<[Arc<dyn FilterFactory>]>,
    pub connections: Arc<ConnectionLimit>,
    pub stats: Arc<Scope<HttpStats>>,
    pub http2_stats: Arc<Scope<Http2Stats>>,
    pub listener_stats: Arc<Scope<ListenerStats>>,
    pub access_logs: Vec<Log>,
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
    pub(super) logs: &'a mut Sinks,
    pub(super) workers: usize,
    /// What runs now: the same clusters and connection counts are kept.
    pub(super) current: &'a Snapshot,
}

impl Builder<'_> {
    pub(super) fn build(&mut self, config: Config) -> Result<Snapshot, BuildError> {
        let clusters: Vec<Arc<Cluster>> =
            config.clusters.iter().map(|(name, cluster)| self.cluster(name, cluster)).collect();
        let slots: BTreeMap<&str, usize> =
            config.clusters.keys().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
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

    fn cluster(&mut self, name: &str, config: &config::Cluster) -> Arc<Cluster> {
        let current = self.current.clusters.iter().find(|cluster| &*cluster.name == name);
        match current {
            Some(cluster) if cluster.config == *config => cluster.clone(),
            _ => Arc::new(Cluster::new(name, config, self.registry, self.workers)),
        }
    }

    fn listener(
        &mut self,
        config: &Config,
        listener: &config::Listener,
        slots: &BTreeMap<&str, usize>,
    ) -> Result<ListenerSnapshot, BuildError> {
        let name = &listener.name;
        // The reader has checked that every name exists.
        let resolve = |cluster: &str| slots.get(cluster).copied().unwrap_or_default();
        let routes = RouteTable::build(&listener.routes, &listener.http, resolve)
            .map_err(|(at, error)| BuildError(format!("listener {name}: routes[{at}]: {error}")))?;
        let websocket = routes.routes().iter().any(|route| route.upgrades.contains(&config::Upgrade::Websocket));
        let filters = self.listener_filters(listener);
        let extras = listener.routes.iter().enumerate().map(|(at, route)| {
            self.extras(listener, &filters, route)
                .map_err(|error| BuildError(format!("listener {name}: routes[{at}]: {error}")))
        });
        let extras = extras.collect::<Result<Arc<[RouteExtras]>, BuildError>>()?;
        let key = key(listener);
        let running = self.current.listeners.iter().find(|running| running.key == key);
        let connections =
            running.map_or_else(|| Arc::new(ConnectionLimit::new(0)), |running| running.connections.clone());
        let logs = listener.access_log.as_ref().unwrap_or(&config.access_log);
        let access_logs = logs.iter().map(|log| self.logs.open(log)).collect::<Result<Vec<Log>, _>>();
        Ok(ListenerSnapshot {
            name: name.as_str().into(),
            address: listener.address.clone(),
            backlog: i32::try_from(listener.tcp_backlog_size).unwrap_or(i32::MAX),
            limits: Arc::new(limits(&listener.http)),
            h2_limits: listener.http.h2_limits(websocket),
            routes: Arc::new(routes),
            extras,
            filters,
            connections,
            stats: self.registry.scope::<HttpStats>(&format!("http.{name}"), self.workers),
            http2_stats: self.registry.scope::<Http2Stats>(&format!("http.{name}.http2"), self.workers),
            listener_stats: self
                .registry
                .scope::<ListenerStats>(&format!("listener.{}", listener.address), self.workers),
            access_logs: access_logs.map_err(|error| BuildError(format!("listener {name}: access_log: {error}")))?,
            http: Arc::new(listener.http.clone()),
            key,
        })
    }

    fn filter_cx<'a>(&'a mut self, listener: &'a str) -> filter::Build<'a> {
        filter::Build { registry: self.registry, listener, workers: self.workers }
    }

    /// Filters that did not change are the same ones: a token bucket is not full again after each reload.
    fn listener_filters(&mut self, listener: &config::Listener) -> Arc<[Arc<dyn FilterFactory>]> {
        let running = self.current.listeners.iter().zip(&self.current.config.listeners);
        let same =
            |(_, config): &(_, &config::Listener)| config.name == listener.name && config.filters == listener.filters;
        match running.clone().find(same) {
            Some((running, _)) => running.filters.clone(),
            None => filter::build(&listener.filters, &mut self.filter_cx(&listener.name)).into(),
        }
    }

    fn extras(
        &mut self,
        listener: &config::Listener,
        filters: &[Arc<dyn FilterFactory>],
        route: &config::Route,
    ) -> Result<RouteExtras, BuildError> {
        let editor = |edits| HeaderEditor::new(edits).map_err(|error| BuildError(error.to_string()));
        let chain = (!route.filters.is_empty()).then(|| {
            self.running_chain(listener, route).unwrap_or_else(|| self.route_filters(listener, filters, route))
        });
        Ok(RouteExtras { request: editor(&route.request_headers)?, response: editor(&route.response_headers)?, chain })
    }

    /// The chain of a route that has not changed.
    fn running_chain(
        &self,
        listener: &config::Listener,
        route: &config::Route,
    ) -> Option<Arc<[Arc<dyn FilterFactory>]>> {
        let mut running = self.current.listeners.iter().zip(&self.current.config.listeners);
        let (snapshot, config) =
            running.find(|(_, config)| config.name == listener.name && config.filters == listener.filters)?;
        let at = config.routes.iter().position(|running| running == route)?;
        snapshot.extras[at].chain.clone()
    }

    /// The listener's own filters, but for those that the route turns off or sets anew.
    fn route_filters(
        &mut self,
        listener: &config::Listener,
        filters: &[Arc<dyn FilterFactory>],
        route: &config::Route,
    ) -> Arc<[Arc<dyn FilterFactory>]> {
        let mut chain = Vec::with_capacity(filters.len());
        for (config, factory) in listener.filters.iter().zip(filters) {
            match route.filters.get(config.type_name()) {
                Some(FilterOverride::Off) => {}
                Some(FilterOverride::Settings(settings)) => {
                    chain.extend(filter::build(std::slice::from_ref(settings), &mut self.filter_cx(&listener.name)));
                }
                None => chain.push(factory.clone()),
            }
        }
        chain.into()
    }
}

fn key(listener: &config::Listener) -> String {
    match &listener.address {
        Addr::Inet(address) if address.port() == 0 => format!("{}#{}", listener.address, listener.name),
        address => address.to_string(),
    }
}

fn limits(http: &config::Http) -> nuncio_h1::Limits {
    nuncio_h1::Limits {
        head_bytes: http.max_request_headers,
        fields: http.max_headers_count,
        target_bytes: http.max_request_target,
        underscores: http.headers_with_underscores_action.into(),
        keep_trailers: http.enable_trailers,
        ..nuncio_h1::Limits::default()
    }
}

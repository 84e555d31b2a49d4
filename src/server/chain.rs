//! One chain of a listener, made ready to serve: what its streams or its proxied connections need.

use std::sync::Arc;
use std::time::Duration;

use nuncio_http::Scheme;

use super::snapshot::{BuildError, Builder, Slots};
use crate::access_log::Log;
use crate::config::{self, FilterOverride};
use crate::filter::{self, FilterFactory};
use crate::listener::RouteExtras;
use crate::route::{L4Table, RouteTable};
use crate::runtime::Published;
use crate::runtime::net::Addr;
use crate::stats::{CertificateStats, Handle, Http2Stats, HttpStats, Scope, TcpStats, TlsStats};
use crate::stream::edits::HeaderEditor;
use crate::tls::ServerContext;

/// One chain, ready to serve.
pub struct ChainSnapshot {
    pub name: Arc<str>,
    pub filters: Arc<[Arc<dyn FilterFactory>]>,
    pub access_logs: Vec<Log>,
    pub tls: Option<TlsSnapshot>,
    pub service: ServiceSnapshot,
}

/// TLS with clients.
pub struct TlsSnapshot {
    /// Made of what `config` names. A change of the files puts another one there.
    pub context: Arc<Published<ServerContext>>,
    pub config: Arc<config::ListenerTls>,
    /// For a handshake.
    pub timeout: Duration,
    pub stats: Arc<Scope<TlsStats>>,
    pub certificate_stats: Handle<CertificateStats>,
}

pub enum ServiceSnapshot {
    Http(HttpSnapshot),
    Tcp(TcpSnapshot),
}

pub struct HttpSnapshot {
    pub http: Arc<config::Http>,
    pub limits: Arc<nuncio_h1::Limits>,
    pub h2_limits: nuncio_h2::Limits,
    pub routes: Arc<RouteTable>,
    pub extras: Arc<[RouteExtras]>,
    pub stats: Arc<Scope<HttpStats>>,
    pub http2_stats: Arc<Scope<Http2Stats>>,
}

pub struct TcpSnapshot {
    pub tcp: Arc<config::Tcp>,
    /// What a connection may still take when its listener is gone.
    pub drain_time: Duration,
    pub routes: Arc<L4Table>,
    pub stats: Arc<Scope<TcpStats>>,
}

impl Builder<'_> {
    pub(super) fn chain(
        &mut self,
        config: &config::Chain,
        address: &Addr,
        logs: &[config::AccessLog],
        slots: &Slots<'_>,
    ) -> Result<ChainSnapshot, BuildError> {
        let name = &config.name;
        let filters = self.chain_filters(config);
        let service = match &config.service.protocol {
            config::Protocol::Http(http) => ServiceSnapshot::Http(self.http(config, http, &filters, slots)?),
            config::Protocol::Tcp(tcp) => ServiceSnapshot::Tcp(self.tcp(name, tcp, slots)?),
        };
        let access_logs = logs.iter().map(|log| self.logs.open(log)).collect::<Result<Vec<Log>, _>>();
        let access_logs = access_logs.map_err(|error| BuildError(format!("listener {name}: access_log: {error}")))?;
        let tls = config.service.tls.as_ref().map(|tls| self.tls(name, tls, address)).transpose()?;
        Ok(ChainSnapshot { name: name.as_str().into(), filters, access_logs, tls, service })
    }

    /// Reads the certificates anew; sessions that clients of this chain keep go on where they may.
    fn tls(&mut self, name: &str, config: &config::ListenerTls, address: &Addr) -> Result<TlsSnapshot, BuildError> {
        let chains = self.current.listeners.iter().flat_map(|listener| &listener.chains);
        let running = chains.filter(|chain| &*chain.name == name).find_map(|chain| chain.tls.as_ref());
        let context = match running {
            Some(running) => running.context.get().reload(config),
            None => ServerContext::load(config),
        };
        let context = context.map_err(|error| BuildError(format!("listener {name}: tls: {error}")))?;
        for warning in context.warnings() {
            log::warn!("listener {name}: tls: {warning}");
        }
        let certificate_scope = format!("listener.{address}.ssl.certificate.{name}");
        Ok(TlsSnapshot {
            context: Arc::new(Published::new(context)),
            timeout: config.handshake_timeout,
            config: Arc::new(config.clone()),
            stats: self.registry.scope::<TlsStats>(&format!("listener.{address}.ssl"), self.workers),
            certificate_stats: self.registry.scope(&certificate_scope, self.workers).control(),
        })
    }

    fn http(
        &mut self,
        chain: &config::Chain,
        config: &config::HttpService,
        filters: &[Arc<dyn FilterFactory>],
        slots: &Slots<'_>,
    ) -> Result<HttpSnapshot, BuildError> {
        let name = &chain.name;
        let routes = RouteTable::build(&config.routes, &config.http, self.values, |cluster| slots.find(cluster))
            .map_err(|(at, error)| BuildError(format!("listener {name}: routes[{at}]: {error}")))?;
        let websocket = routes.routes().iter().any(|route| route.upgrades.contains(&config::Upgrade::Websocket));
        let extras = config.routes.iter().enumerate().map(|(at, route)| {
            self.extras(chain, filters, route)
                .map_err(|error| BuildError(format!("listener {name}: routes[{at}]: {error}")))
        });
        let extras = extras.collect::<Result<Arc<[RouteExtras]>, BuildError>>()?;
        let scheme = if chain.service.tls.is_some() { Scheme::Https } else { Scheme::Http };
        Ok(HttpSnapshot {
            limits: Arc::new(limits(&config.http)),
            // Row S-20: what the transport is.
            h2_limits: nuncio_h2::Limits { scheme: Some(scheme), ..config.http.h2_limits(websocket) },
            routes: Arc::new(routes),
            extras,
            stats: self.registry.scope::<HttpStats>(&format!("http.{name}"), self.workers),
            http2_stats: self.registry.scope::<Http2Stats>(&format!("http.{name}.http2"), self.workers),
            http: Arc::new(config.http.clone()),
        })
    }

    fn tcp(&mut self, name: &str, config: &config::TcpService, slots: &Slots<'_>) -> Result<TcpSnapshot, BuildError> {
        let routes = L4Table::build(&config.routes, self.values, |cluster| slots.find(cluster))
            .map_err(|(at, error)| BuildError(format!("listener {name}: routes[{at}]: {error}")))?;
        Ok(TcpSnapshot {
            tcp: Arc::new(config.tcp.clone()),
            drain_time: self.drain_time,
            routes: Arc::new(routes),
            stats: self.registry.scope::<TcpStats>(&format!("tcp.{name}"), self.workers),
        })
    }

    fn filter_cx<'a>(&'a mut self, chain: &'a config::Chain) -> filter::Build<'a> {
        let scope = match chain.service.protocol {
            config::Protocol::Http(_) => "http",
            config::Protocol::Tcp(_) => "tcp",
        };
        filter::Build {
            registry: self.registry,
            values: self.values,
            around: &self.around,
            scope,
            listener: &chain.name,
            workers: self.workers,
        }
    }

    /// The chain of this name that runs, with what it was built from.
    fn running(&self, chain: &config::Chain) -> Option<(&ChainSnapshot, &config::Chain)> {
        if self.current.config.node.cluster != self.around.node_cluster {
            // Filters may know it.
            return None;
        }
        let listeners = self.current.listeners.iter().zip(&self.current.config.listeners);
        let mut chains = listeners.flat_map(|(snapshot, config)| snapshot.chains.iter().zip(config.chains.iter()));
        chains.find(|(_, config)| config.name == chain.name && config.service.filters == chain.service.filters)
    }

    /// Filters that did not change are the same ones: a token bucket is not full again after each reload.
    fn chain_filters(&mut self, chain: &config::Chain) -> Arc<[Arc<dyn FilterFactory>]> {
        match self.running(chain) {
            Some((running, _)) => running.filters.clone(),
            None => filter::build(&chain.service.filters, &mut self.filter_cx(chain)).into(),
        }
    }

    fn extras(
        &mut self,
        chain: &config::Chain,
        filters: &[Arc<dyn FilterFactory>],
        route: &config::Route,
    ) -> Result<RouteExtras, BuildError> {
        let editor = |edits| HeaderEditor::new(edits).map_err(|error| BuildError(error.to_string()));
        let own = (!route.filters.is_empty())
            .then(|| self.running_filters(chain, route).unwrap_or_else(|| self.route_filters(chain, filters, route)));
        Ok(RouteExtras {
            request: editor(&route.request_headers)?,
            response: editor(&route.response_headers)?,
            chain: own,
        })
    }

    /// The filters of a route that has not changed.
    fn running_filters(&self, chain: &config::Chain, route: &config::Route) -> Option<Arc<[Arc<dyn FilterFactory>]>> {
        let (snapshot, config) = self.running(chain)?;
        match (&snapshot.service, &config.service.protocol) {
            (ServiceSnapshot::Http(http), config::Protocol::Http(config)) => {
                let at = config.routes.iter().position(|running| running == route)?;
                http.extras[at].chain.clone()
            }
            _ => None,
        }
    }

    /// The chain's own filters, but for those that the route turns off or sets anew.
    fn route_filters(
        &mut self,
        chain: &config::Chain,
        filters: &[Arc<dyn FilterFactory>],
        route: &config::Route,
    ) -> Arc<[Arc<dyn FilterFactory>]> {
        let mut own = Vec::with_capacity(filters.len());
        for (config, factory) in chain.service.filters.iter().zip(filters) {
            match route.filters.get(config.type_name()) {
                Some(FilterOverride::Off) => {}
                Some(FilterOverride::Settings(settings)) => {
                    own.extend(filter::build(std::slice::from_ref(settings), &mut self.filter_cx(chain)));
                }
                None => own.push(factory.clone()),
            }
        }
        own.into()
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

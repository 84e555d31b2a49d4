//! A worker's view of a chain: everything its streams, or its proxied connections, need, made once for each
//! configuration.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::access_log::Logger;
use crate::cluster::ClusterView;
use crate::config;
use crate::filter::FilterFactory;
use crate::route::{L4Table, Route, RouteTable};
use crate::server::Worker;
use crate::stats::{Handle, Http2Stats, HttpStats, ListenerStats, TcpStats};
use crate::stream::edits::HeaderEditor;
use crate::stream::info::ConnectionInfo;

pub struct ListenerView {
    pub worker: Rc<Worker>,
    pub http: Arc<config::Http>,
    pub limits: Arc<nuncio_h1::Limits>,
    /// `:scheme` must say what the transport is.
    pub h2_limits: Arc<nuncio_h2::Limits>,
    pub upstream_limits: Arc<nuncio_h1::Limits>,
    pub routes: Arc<RouteTable>,
    /// By the route's index.
    pub extras: Arc<[RouteExtras]>,
    pub filters: Arc<[Arc<dyn FilterFactory>]>,
    /// By the slot that routes name.
    pub clusters: Rc<[Rc<ClusterView>]>,
    pub stats: Handle<HttpStats>,
    pub http2_stats: Handle<Http2Stats>,
    pub listener_stats: Handle<ListenerStats>,
    pub connection_stats: Rc<ConnectionStats>,
    pub access_logs: Rc<[Logger]>,
}

/// What a connection counts in, behind one pointer: thousands of idle ones hold it.
pub struct ConnectionStats {
    pub http: Handle<HttpStats>,
    pub listener: Handle<ListenerStats>,
}

/// What a route brings besides its match and action.
#[derive(Default)]
pub struct RouteExtras {
    pub request: HeaderEditor,
    pub response: HeaderEditor,
    /// In place of the listener's filters, where the route changes one.
    pub chain: Option<Arc<[Arc<dyn FilterFactory>]>>,
}

impl ListenerView {
    /// The route at its place in the table.
    pub fn route(&self, index: usize) -> &Route {
        &self.routes.routes()[index]
    }

    /// The peer is one of `trusted_proxies`.
    pub fn is_trusted(&self, connection: &ConnectionInfo) -> bool {
        let peer = connection.remote.inet().map(|peer| peer.ip());
        peer.is_some_and(|peer| self.http.trusted_proxies.iter().any(|range| range.contains(peer)))
    }

    pub fn extras(&self, route: usize) -> &RouteExtras {
        &self.extras[route]
    }
}

/// The same for a chain that carries bytes.
pub struct TcpView {
    pub worker: Rc<Worker>,
    pub tcp: Arc<config::Tcp>,
    /// What a connection may still take when its listener is gone.
    pub drain_time: Duration,
    pub routes: Arc<L4Table>,
    pub filters: Arc<[Arc<dyn FilterFactory>]>,
    /// By the slot that routes name.
    pub clusters: Rc<[Rc<ClusterView>]>,
    pub stats: Handle<TcpStats>,
    pub listener_stats: Handle<ListenerStats>,
    pub access_logs: Rc<[Logger]>,
}

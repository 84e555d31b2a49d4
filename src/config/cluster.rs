//! `clusters`: groups of endpoints that serve the same thing.

use std::time::Duration;

use serde::Serialize;

use super::text::{Complaint, Cx, Kind, Node, Object, read, write};
use super::{Balancing, ClusterTls, HealthCheck, Http2, address, balancing, health_check, http2, tls};
use crate::runtime::net::Addr;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cluster {
    pub discovery: Discovery,
    /// At least one, if they stand here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    #[serde(flatten)]
    pub balancing: Balancing,
    pub protocol: ClusterProtocol,
    /// `None`: the hosts speak plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClusterTls>,
    pub http: ClusterHttp,
    /// TCP connect. Default 5 s.
    #[serde(serialize_with = "write::duration")]
    pub connect_timeout: Duration,
    /// An idle connection is closed after this. Default 60 s; `None` is "off".
    #[serde(serialize_with = "write::duration_or_off")]
    pub idle_timeout: Option<Duration>,
    /// Idle connections kept by each worker, over all hosts. Default 1024.
    pub max_idle_connections: usize,
    /// A connection is closed after this many requests. `None`: never ("off", the default).
    #[serde(serialize_with = "write::or_off")]
    pub max_requests_per_connection: Option<u64>,
    /// A connection takes no further request when it is so old. `None`: never ("off", the default).
    #[serde(serialize_with = "write::duration_or_off")]
    pub max_connection_duration: Option<Duration>,
    pub circuit_breaker: CircuitBreaker,
    /// Default: hosts are not checked, and taken to be healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// The header that tells a host for whom a connection is. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyVersion>,
}

/// How the hosts of a cluster are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Discovery {
    /// They are the endpoints.
    #[default]
    Static,
    /// Each connection's host is where it was to go before it was redirected here.
    OriginalDst,
}

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyVersion {
    V1,
    V2,
}

/// What the hosts of a cluster speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterProtocol {
    #[default]
    H1,
    /// With prior knowledge on plain text.
    H2,
    /// What the TLS handshake agrees on; on plain text `h1`.
    Auto,
}

/// How HTTP is spoken with the hosts of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterHttp {
    /// Most streams on one HTTP/2 connection; the host may allow fewer. Default 100.
    pub max_concurrent_streams: u32,
    /// What a host may send ahead on one stream, in bytes. Default 64 KiB, 16 KiB to 2 GiB - 1.
    #[serde(serialize_with = "write::size")]
    pub initial_stream_window: u32,
    /// The same for a whole connection. Default 1 MiB, 64 KiB to 2 GiB - 1.
    #[serde(serialize_with = "write::size")]
    pub initial_connection_window: u32,
    /// The host takes nothing of what is there. Default 30 s.
    #[serde(serialize_with = "write::duration_or_off")]
    pub stream_flush_timeout: Option<Duration>,
    pub http2: Http2,
}

impl Default for ClusterHttp {
    fn default() -> ClusterHttp {
        ClusterHttp {
            max_concurrent_streams: 100,
            initial_stream_window: 64 << 10,
            initial_connection_window: 1 << 20,
            stream_flush_timeout: Some(Duration::from_secs(30)),
            http2: Http2::default(),
        }
    }
}

/// What a host may send ahead on a stream before anybody has taken a byte of it, in bytes.
const FIRST_WINDOW: u32 = 8 << 10;

impl ClusterHttp {
    /// As the codec takes them.
    pub fn limits(&self) -> nuncio_h2::Limits {
        self.http2.apply(nuncio_h2::Limits {
            max_concurrent_streams: self.max_concurrent_streams,
            // What a client does not take is held for it here: the first window is small, and grows for who reads.
            initial_stream_window: self.initial_stream_window.min(FIRST_WINDOW),
            widest_stream_window: self.initial_stream_window,
            initial_connection_window: self.initial_connection_window,
            ..nuncio_h2::Limits::default()
        })
    }
}

/// `"host:port"` or `{ "address": "host:port", "weight": 1 }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Endpoint {
    #[serde(serialize_with = "write::display")]
    pub address: Addr,
    /// 1 to 128. Default 1.
    pub weight: u32,
}

/// Limits over all workers. Beyond them: 503 with response flag `UO`, at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CircuitBreaker {
    /// Default 1024.
    pub max_connections: u32,
    /// Requests that wait for a connection. Default 1024.
    pub max_pending_requests: u32,
    /// Default 1024.
    pub max_requests: u32,
}

impl Default for CircuitBreaker {
    fn default() -> CircuitBreaker {
        CircuitBreaker { max_connections: 1024, max_pending_requests: 1024, max_requests: 1024 }
    }
}

impl Cluster {
    /// A cluster of these endpoints, all else by default.
    pub fn new(endpoints: Vec<Endpoint>) -> Cluster {
        Cluster {
            discovery: Discovery::default(),
            endpoints,
            balancing: Balancing::default(),
            protocol: ClusterProtocol::default(),
            tls: None,
            http: ClusterHttp::default(),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Some(Duration::from_secs(60)),
            max_idle_connections: 1024,
            max_requests_per_connection: None,
            max_connection_duration: None,
            circuit_breaker: CircuitBreaker::default(),
            health_check: None,
            proxy_protocol: None,
        }
    }
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Cluster> {
    const PROTOCOLS: &[(&str, ClusterProtocol)] =
        &[("h1", ClusterProtocol::H1), ("h2", ClusterProtocol::H2), ("auto", ClusterProtocol::Auto)];
    const PROXY_VERSIONS: &[(&str, ProxyVersion)] = &[("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)];
    let default = Cluster::new(Vec::new());
    let mut o = cx.object(node)?;
    o.later(&["dns", "outlier_detection"]);
    let (discovery, endpoints) = read_hosts(cx, &mut o);
    let protocol = o.optional("protocol", default.protocol, read::one_of(PROTOCOLS));
    let cluster = Cluster {
        discovery,
        balancing: balancing::read(cx, node, &mut o),
        protocol,
        tls: o.maybe("tls", |cx, node| tls::read_cluster(cx, node, protocol)),
        http: o.optional("http", default.http, read_http),
        connect_timeout: o.optional("connect_timeout", default.connect_timeout, read::timeout),
        idle_timeout: o.optional("idle_timeout", default.idle_timeout, read::or_off(read::timeout)),
        max_idle_connections: o.optional(
            "max_idle_connections",
            default.max_idle_connections,
            read::integer(0..=1_000_000),
        ),
        max_requests_per_connection: o.optional(
            "max_requests_per_connection",
            default.max_requests_per_connection,
            read::integer_or("off", 1..=u64::MAX),
        ),
        max_connection_duration: o.optional(
            "max_connection_duration",
            default.max_connection_duration,
            read::or_off(read::timeout),
        ),
        circuit_breaker: o.optional("circuit_breaker", default.circuit_breaker, read_circuit_breaker),
        health_check: o.maybe("health_check", |cx, node| read_health_check(cx, node, discovery, protocol)),
        proxy_protocol: o.maybe("proxy_protocol", read::one_of(PROXY_VERSIONS)),
        endpoints: Vec::new(),
    };
    if cluster.proxy_protocol.is_some() && cluster.protocol == ClusterProtocol::H2 {
        cx.refuse::<()>(node, "has \"proxy_protocol\", but connections of \"protocol\": \"h2\" are shared by clients");
    }
    o.finish();
    Some(Cluster { endpoints: endpoints?, ..cluster })
}

fn read_health_check(cx: &Cx, node: &Node, discovery: Discovery, protocol: ClusterProtocol) -> Option<HealthCheck> {
    if discovery == Discovery::OriginalDst {
        return cx
            .refuse(node, "has no meaning where \"discovery\" is \"original_dst\": hosts come and go with clients");
    }
    health_check::read(cx, node, protocol)
}

/// How hosts are found, and those that are named.
fn read_hosts(cx: &Cx, o: &mut Object) -> (Discovery, Option<Vec<Endpoint>>) {
    const DISCOVERY: &[(&str, Discovery)] = &[("static", Discovery::Static), ("original_dst", Discovery::OriginalDst)];
    let discovery = o.optional("discovery", Discovery::default(), read::one_of(DISCOVERY));
    if discovery == Discovery::Static {
        return (discovery, o.required("endpoints", read_endpoints));
    }
    if let Some(node) = o.take("endpoints") {
        cx.refuse::<()>(&node, "has no meaning where \"discovery\" is \"original_dst\"");
    }
    (discovery, Some(Vec::new()))
}

fn read_http(cx: &Cx, node: &Node) -> Option<ClusterHttp> {
    let default = ClusterHttp::default();
    let mut o = cx.object(node)?;
    let http = ClusterHttp {
        max_concurrent_streams: o.optional(
            "max_concurrent_streams",
            default.max_concurrent_streams,
            read::integer(1..=(1 << 31) - 1),
        ),
        initial_stream_window: o.optional(
            "initial_stream_window",
            default.initial_stream_window,
            read::size(http2::WINDOWS),
        ),
        initial_connection_window: o.optional(
            "initial_connection_window",
            default.initial_connection_window,
            read::size(64 << 10..=(1 << 31) - 1),
        ),
        stream_flush_timeout: o.optional(
            "stream_flush_timeout",
            default.stream_flush_timeout,
            read::or_off(read::timeout),
        ),
        http2: o.optional("http2", default.http2, http2::read),
    };
    o.finish();
    Some(http)
}

fn read_endpoints(cx: &Cx, node: &Node) -> Option<Vec<Endpoint>> {
    let nodes = cx.elements(node, "a list of endpoints")?;
    if nodes.is_empty() {
        return cx.refuse(node, Complaint::new("is empty").expected("at least one endpoint"));
    }
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(nodes.len());
    let mut seen = std::collections::HashSet::new();
    for node in &nodes {
        if let Some(endpoint) = read_endpoint(cx, node) {
            if !seen.insert(endpoint.address.to_string()) {
                cx.warn(node, format!("{} is an endpoint of this cluster already", endpoint.address));
            }
            endpoints.push(endpoint);
        }
    }
    Some(endpoints)
}

fn read_endpoint(cx: &Cx, node: &Node) -> Option<Endpoint> {
    match node.kind() {
        Kind::String => Some(Endpoint { address: address::connecting(cx, node)?, weight: 1 }),
        Kind::Object => {
            let mut o = cx.object(node)?;
            o.later(&["priority", "zone", "metadata", "name"]);
            let address = o.required("address", address::connecting);
            let weight = o.optional("weight", 1, read::integer(1..=128));
            o.finish();
            Some(Endpoint { address: address?, weight })
        }
        _ => cx.wrong_type(node, "an address, or an object with an \"address\""),
    }
}

fn read_circuit_breaker(cx: &Cx, node: &Node) -> Option<CircuitBreaker> {
    let default = CircuitBreaker::default();
    let limit = || read::integer(1..=u64::from(u32::MAX));
    let mut o = cx.object(node)?;
    o.later(&["max_retries", "retry_budget", "track_remaining"]);
    let breaker = CircuitBreaker {
        max_connections: o.optional("max_connections", default.max_connections, limit()),
        max_pending_requests: o.optional("max_pending_requests", default.max_pending_requests, limit()),
        max_requests: o.optional("max_requests", default.max_requests, limit()),
    };
    o.finish();
    Some(breaker)
}

//! `clusters`: groups of endpoints that serve the same thing.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::text::{Cx, Node, Object, read, write};
use super::{
    Balancing, CircuitBreaker, ClusterTls, Dns, Endpoint, HealthCheck, Http2, OutlierDetection, balancing,
    circuit_breaker, dns, endpoint, health_check, http2, outlier_detection, tls,
};

/// What most clusters do without is boxed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cluster {
    pub discovery: Discovery,
    /// At least one, if they stand here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// The file that has the endpoints, absolute; of `file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// How the names of the endpoints become hosts; of `strict_dns`, `logical_dns` and `srv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Box<Dns>>,
    #[serde(flatten)]
    pub balancing: Balancing,
    pub protocol: ClusterProtocol,
    /// `None`: the hosts speak plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Box<ClusterTls>>,
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
    pub health_check: Option<Box<HealthCheck>>,
    /// Default: whatever comes of requests to hosts, they are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<Box<OutlierDetection>>,
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
    /// They are all addresses that the names of the endpoints have.
    StrictDns,
    /// They are one host, whatever addresses its name has.
    LogicalDns,
    /// They are what the endpoints' SRV records name.
    Srv,
    /// They are the endpoints in a file of their own.
    File,
    /// Each connection's host is where it was to go before it was redirected here.
    OriginalDst,
}

impl Discovery {
    /// Hosts are found by name.
    pub fn is_dns(self) -> bool {
        matches!(self, Discovery::StrictDns | Discovery::LogicalDns | Discovery::Srv)
    }
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

impl Cluster {
    /// A cluster of these endpoints, all else by default.
    pub fn new(endpoints: Vec<Endpoint>) -> Cluster {
        Cluster {
            discovery: Discovery::default(),
            endpoints,
            file: None,
            dns: None,
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
            outlier_detection: None,
            proxy_protocol: None,
        }
    }
}

/// `dns`: what the file says for all clusters.
pub(super) fn read(cx: &Cx, node: &Node, dns: &Dns) -> Option<Cluster> {
    const PROTOCOLS: &[(&str, ClusterProtocol)] =
        &[("h1", ClusterProtocol::H1), ("h2", ClusterProtocol::H2), ("auto", ClusterProtocol::Auto)];
    const PROXY_VERSIONS: &[(&str, ProxyVersion)] = &[("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)];
    let default = Cluster::new(Vec::new());
    let mut o = cx.object(node)?;
    let hosts = read_hosts(&mut o, dns);
    let discovery = hosts.discovery;
    let protocol = o.optional("protocol", default.protocol, read::one_of(PROTOCOLS));
    let cluster = Cluster {
        discovery,
        balancing: balancing::read(cx, node, &mut o),
        protocol,
        tls: o.maybe("tls", |cx, node| tls::read_cluster(cx, node, protocol).map(Box::new)),
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
        circuit_breaker: o.optional("circuit_breaker", default.circuit_breaker, circuit_breaker::read),
        health_check: o
            .maybe("health_check", |cx, node| read_health_check(cx, node, discovery, protocol).map(Box::new)),
        outlier_detection: o
            .maybe("outlier_detection", |cx, node| read_outlier_detection(cx, node, discovery).map(Box::new)),
        proxy_protocol: o.maybe("proxy_protocol", read::one_of(PROXY_VERSIONS)),
        endpoints: Vec::new(),
        file: hosts.file,
        dns: hosts.dns.map(Box::new),
    };
    if discovery == Discovery::OriginalDst && cluster.balancing != Balancing::default() {
        cx.warn(node, "nothing is balanced where \"discovery\" is \"original_dst\": a client has one host to go to");
    }
    if cluster.proxy_protocol.is_some() && cluster.protocol == ClusterProtocol::H2 {
        cx.refuse::<()>(node, "has \"proxy_protocol\", but connections of \"protocol\": \"h2\" are shared by clients");
    }
    o.finish();
    Some(Cluster { endpoints: hosts.endpoints?, ..cluster })
}

fn read_health_check(cx: &Cx, node: &Node, discovery: Discovery, protocol: ClusterProtocol) -> Option<HealthCheck> {
    if discovery == Discovery::OriginalDst {
        return cx
            .refuse(node, "has no meaning where \"discovery\" is \"original_dst\": hosts come and go with clients");
    }
    health_check::read(cx, node, protocol)
}

fn read_outlier_detection(cx: &Cx, node: &Node, discovery: Discovery) -> Option<OutlierDetection> {
    if discovery == Discovery::OriginalDst {
        return cx.refuse(
            node,
            "has no meaning where \"discovery\" is \"original_dst\": a client has no other host to go to",
        );
    }
    outlier_detection::read(cx, node)
}

/// How hosts are found, and what says so.
struct Hosts {
    discovery: Discovery,
    endpoints: Option<Vec<Endpoint>>,
    file: Option<PathBuf>,
    dns: Option<Dns>,
}

fn read_hosts(o: &mut Object, base: &Dns) -> Hosts {
    const DISCOVERY: &[(&str, Discovery)] = &[
        ("static", Discovery::Static),
        ("strict_dns", Discovery::StrictDns),
        ("logical_dns", Discovery::LogicalDns),
        ("srv", Discovery::Srv),
        ("file", Discovery::File),
        ("original_dst", Discovery::OriginalDst),
    ];
    let discovery = o.optional("discovery", Discovery::default(), read::one_of(DISCOVERY));
    let word = DISCOVERY.iter().find(|(_, it)| *it == discovery).map_or("", |(word, _)| word);
    let other = || format!("has no meaning where \"discovery\" is \"{word}\"");
    let mut hosts = Hosts { discovery, endpoints: Some(Vec::new()), file: None, dns: None };
    match discovery {
        Discovery::File => {
            o.refuse("endpoints", other());
            hosts.file = o.required("file", endpoint::read_path);
        }
        Discovery::OriginalDst => o.refuse("endpoints", other()),
        _ => hosts.endpoints = o.required("endpoints", |cx, node| endpoint::read_all(cx, node, discovery)),
    }
    if discovery != Discovery::File {
        o.refuse("file", other());
    }
    if discovery.is_dns() {
        hosts.dns = Some(o.optional("dns", base.clone(), |cx, node| dns::read(cx, node, base)));
    } else {
        o.refuse("dns", other());
    }
    hosts
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

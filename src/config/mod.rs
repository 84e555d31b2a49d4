//! The configuration as the operator wrote it, typed and complete: every default is filled in, every name
//! is checked. `text` reads JSON with positions, the files beside it hold one section each. Nothing here
//! opens a socket or a certificate: that is what the rest of the proxy makes of it.

mod access_log;
mod action;
mod address;
mod admin;
mod balancing;
mod chain;
mod cidr;
mod circuit_breaker;
mod client_cert;
mod cluster;
mod dns;
mod endpoint;
mod file;
mod filter;
mod header_edits;
mod health_check;
mod http;
mod http2;
mod listener;
mod listeners;
mod load;
mod matcher;
mod outlier_detection;
mod path_text;
mod percent;
mod pin;
mod priority;
mod race;
mod reach;
mod regex;
mod retry;
mod rewrite;
mod route;
mod route_hash;
mod route_l4;
mod route_match;
mod route_subset;
mod runtime;
mod tcp;
mod san;
mod shadow;
#[cfg(test)]
mod tests;
mod text;
mod tls;
mod udp_listener;
mod weight;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use self::text::write;

pub use self::access_log::{AccessLog, LogFormat, LogPath};
pub use self::action::{Action, Redirect, Respond, WeightedCluster};
pub use self::admin::Admin;
pub use self::balancing::{
    Balancing, Hashing, LeastRequest, LoadBalancing, Maglev, RingHash, SlowStart, Sticky, SubsetFallback, Subsets,
    ZoneAware,
};
pub use self::chain::{Chain, ChainMatch, HttpService, Protocol, Service, TcpService, TransportKind};
pub use self::cidr::{Cidr, CidrError};
pub use self::circuit_breaker::{CircuitBreaker, HostThresholds, RetryBudget, RetryLimit, Thresholds};
pub use self::client_cert::{CertDetail, ForwardClientCert};
pub use self::cluster::{Cluster, ClusterHttp, ClusterProtocol, Discovery, ProxyVersion};
pub use self::dns::{Dns, DnsFamily};
pub use self::endpoint::{Endpoint, HostName, Target, parse_endpoints};
pub use self::file::{File, NoCredentials};
pub use self::filter::{
    ApprovedSource, Buffer, ClientTlsAuth, ConnectionLimit, Cors, Echo, Fault, FaultAbort, FaultDelay, Filter,
    FilterOverride, GrpcStats, GrpcWeb, HeaderMutation, HealthCheckFilter, IpRanges, LocalRateLimit, SniCluster,
};
pub use self::header_edits::{HeaderEdits, HeaderTemplate};
pub use self::health_check::{
    GrpcProbe, HealthCheck, HealthCheckLog, HttpProbe, Payload, Probe, RedisProbe, Statuses, TcpProbe,
};
pub use self::http::{EscapedSlashes, Http, ServerHeader, Underscores, Upgrade, Versions};
pub use self::http2::Http2;
pub use self::listener::{Chains, Listener, ProxyProtocol};
pub use self::listeners::Listeners;
pub use self::load::{MAX_FILE, load, parse};
pub use self::matcher::{Matcher, Pattern};
pub use self::outlier_detection::{Enforcing, LatencyOutliers, OutlierDetection, OutlierLog};
pub use self::percent::Percent;
pub use self::pin::{Pin, parse as parse_pin};
pub use self::priority::Priority;
pub use self::race::{Race, RaceAfter};
pub use self::regex::{full_regex, partial_regex};
pub use self::retry::{BackOff, ResetFormat, ResetHeader, Retry, RetryAfter, RetryOn};
pub use self::rewrite::Rewrite;
pub use self::route::{Connect, Route};
pub use self::route_hash::{HashCookie, HashOn, L4Hash, L4HashOn, RouteHash};
pub use self::route_l4::{L4Action, L4Match, L4Route};
pub use self::route_match::{HostPattern, Match, PathMatch, PathPattern, TlsMatch};
pub use self::runtime::{Runtime, RuntimeScalar};
pub use self::san::San;
pub use self::shadow::Shadow;
pub use self::tcp::{Tcp, Tunnel};
pub(crate) use self::text::nearest::nearest;
pub(crate) use self::text::units::{format_duration, format_size};
pub use self::text::{Problem, Problems};
pub use self::tls::{Ca, CertificatePair, ClientAuth, ClientAuthMode, ClusterTls, ListenerTls, TlsVersion};
pub use self::udp_listener::{HashPolicy, Udp, UdpListener};
pub use self::weight::Weight;

/// What is allowed but hardly meant: the first hundred, in file order.
pub type Warnings = Vec<Problem>;

/// One configuration file.
/// Serialises as the file that says the same with every default written out.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Config {
    pub node: Node,
    pub workers: Workers,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<Admin>,
    /// How long a drain waits for requests in flight. Default 30 s.
    #[serde(serialize_with = "write::duration")]
    pub drain_time: Duration,
    /// Reload when the file changes. Default false.
    pub watch: bool,
    /// Most downstream connections over all listeners. `None`: half of the open-file limit ("auto", the default).
    #[serde(serialize_with = "write::or_auto")]
    pub max_connections: Option<u64>,
    /// For every listener that has none of its own. Default: none.
    pub access_log: Vec<AccessLog>,
    /// Values that may change while the proxy runs.
    #[serde(skip_serializing_if = "Runtime::is_empty")]
    pub runtime: Runtime,
    /// For every cluster that is found by DNS and says nothing else.
    pub dns: Dns,
    pub listeners: Listeners,
    /// Shared with the clusters that run.
    pub clusters: BTreeMap<String, Arc<Cluster>>,
}

/// Who this proxy is, for its operators.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Node {
    pub id: String,
    pub cluster: String,
    pub zone: String,
}

/// How many worker threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Workers {
    /// One for each CPU the process may run on.
    #[default]
    Auto,
    /// 1 to 1024.
    Count(usize),
}

impl Serialize for Workers {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Workers::Auto => out.serialize_str("auto"),
            Workers::Count(count) => count.serialize(out),
        }
    }
}

impl Config {
    /// The effective configuration as a file, indented, with a line end.
    pub fn to_json(&self) -> String {
        // Nothing in it fails: keys are texts and numbers finite. Were it otherwise, the text would say so.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_else(|error| format!("\"{error}\""));
        json.push('\n');
        json
    }
}

//! A listener whose `protocol` is `udp`: where datagrams come in, and how long their sessions last.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::route_l4::{self, L4, L4Action, L4Route};
use super::text::{Complaint, Cx, Node, quote, read, write};
use super::{AccessLog, Cluster, Discovery, access_log, address};
use crate::runtime::net::Addr;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UdpListener {
    /// Unique among all listeners. Default: the address.
    pub name: String,
    #[serde(serialize_with = "write::display")]
    pub address: SocketAddr,
    protocol: Datagrams,
    pub udp: Udp,
    pub routes: Vec<L4Route>,
    /// `None`: the file's `access_log`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<Vec<AccessLog>>,
}

/// What the file calls this kind of listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Datagrams {
    #[serde(rename = "udp")]
    Udp,
}

/// Sessions of datagrams: a client's address and port, and the address it speaks to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Udp {
    /// A session ends after so long without a datagram in either direction. Default 1 min.
    #[serde(serialize_with = "write::duration")]
    pub idle_timeout: Duration,
    /// Most sessions over all workers. Default 10 000, at least 1.
    pub max_sessions: u64,
    /// Each datagram may go to another host. Default false.
    pub per_packet: bool,
    /// What the host is chosen by, in place of the cluster's balancing. Default: nothing.
    pub hash_policy: Vec<HashPolicy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HashPolicy {
    /// The client's address without its port.
    SourceIp,
}

impl Default for Udp {
    fn default() -> Udp {
        Udp { idle_timeout: Duration::from_secs(60), max_sessions: 10_000, per_packet: false, hash_policy: Vec::new() }
    }
}

/// What only connections have, or only HTTP.
const NOT_UDP: &[&str] = &["http", "tls", "quic", "proxy_protocol", "tcp_backlog_size"];

pub(super) fn read(cx: &Cx, node: &Node, clusters: &BTreeMap<String, Arc<Cluster>>) -> Option<UdpListener> {
    let mut o = cx.object(node)?;
    o.later(&["chains", "filters", "reuse_port", "stats", "stat_prefix", "transparent"]);
    for key in NOT_UDP {
        o.refuse(key, format!("\"{key}\" is not for datagrams"));
    }
    let sessions = "limit the sessions: \"udp\": { \"max_sessions\": N }";
    o.refuse("max_connections", Complaint::new("\"max_connections\" is not for datagrams").hint(sessions));
    let name = o.maybe("name", read::name);
    let address = o.required("address", read_address);
    // It brought us here.
    o.take("protocol");
    let udp = o.optional("udp", Udp::default(), read_udp);
    let routes = match o.take("routes") {
        Some(node) => read_routes(cx, &node, clusters),
        None => Vec::new(),
    };
    if routes.is_empty() {
        cx.warn(node, "has no routes: every datagram is dropped");
    }
    let is_hashed = |route: &L4Route| !route.hash.is_empty() && matches!(route.action, L4Action::Cluster(_));
    if udp.per_packet && udp.hash_policy.is_empty() && !routes.is_empty() && routes.iter().all(is_hashed) {
        cx.warn(
            node,
            "\"per_packet\" has no effect: by the \"hash\" of its route all datagrams of a client go to one host",
        );
    }
    let access_log = o.maybe("access_log", read::one_or_list(access_log::read));
    o.finish();
    let address = address?;
    let name = name.unwrap_or_else(|| address.to_string());
    Some(UdpListener { name, address, protocol: Datagrams::Udp, udp, routes, access_log })
}

fn read_address(cx: &Cx, node: &Node) -> Option<SocketAddr> {
    match address::listening(cx, node)? {
        Addr::Inet(address) => Some(address),
        Addr::Unix(_) => {
            cx.refuse(node, Complaint::new("a UDP listener has no path").expected("\"192.0.2.1:53\" or \"[::]:53\""))
        }
    }
}

/// The routes; refuses those to clusters that datagrams cannot reach.
fn read_routes(cx: &Cx, node: &Node, clusters: &BTreeMap<String, Arc<Cluster>>) -> Vec<L4Route> {
    let routes = route_l4::read_all(cx, node, L4::Udp).unwrap_or_default();
    let is_unix = |name: &&str| {
        let endpoints = clusters.get(*name).into_iter().flat_map(|cluster| &cluster.endpoints);
        endpoints.into_iter().any(|endpoint| matches!(endpoint.address.address(), Some(Addr::Unix(_))))
    };
    let names: Vec<&str> = routes.iter().flat_map(|route| route.action.clusters()).collect();
    if let Some(name) = names.iter().copied().find(is_unix) {
        cx.refuse::<()>(node, format!("the cluster {} has a UNIX socket, which takes no UDP", quote(name)));
    }
    let is_original = |name: &&str| clusters.get(*name).is_some_and(|it| it.discovery == Discovery::OriginalDst);
    if let Some(name) = names.iter().copied().find(is_original) {
        let what =
            format!("the cluster {} is where connections were to go, and datagrams do not say that", quote(name));
        cx.refuse::<()>(node, what);
    }
    routes
}

fn read_udp(cx: &Cx, node: &Node) -> Option<Udp> {
    const HASH_POLICIES: &[(&str, HashPolicy)] = &[("source_ip", HashPolicy::SourceIp)];
    let default = Udp::default();
    let mut o = cx.object(node)?;
    o.later(&["original_source", "max_datagram", "session_filters", "tunneling"]);
    let udp = Udp {
        idle_timeout: o.optional("idle_timeout", default.idle_timeout, read::timeout),
        max_sessions: o.optional("max_sessions", default.max_sessions, read::integer(1..=u64::MAX)),
        per_packet: o.optional("per_packet", default.per_packet, read::boolean),
        hash_policy: o.optional("hash_policy", default.hash_policy, read::one_or_list(read::one_of(HASH_POLICIES))),
    };
    o.finish();
    if udp.per_packet && !udp.hash_policy.is_empty() {
        cx.warn(node, "\"per_packet\" has no effect: by \"hash_policy\" all datagrams of a client go to one host");
    }
    Some(udp)
}

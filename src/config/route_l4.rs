//! `routes` of a listener that carries bytes and not HTTP: which connections or sessions go where. First match in file
//! order, on what is known before the first byte is read: addresses, and for TLS the name in its hello.

use std::collections::BTreeMap;

use serde::Serialize;

use super::action::read_clusters;
use super::text::{Complaint, Cx, Node, Object, quote, read, write};
use super::{Cidr, HostPattern, L4Hash, WeightedCluster, route_hash, route_match, route_subset};

/// One route of a `tcp` or `udp` listener.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct L4Route {
    /// For logs and stats. Default: empty.
    pub name: String,
    #[serde(rename = "match")]
    pub matches: L4Match,
    #[serde(flatten)]
    pub action: L4Action,
    /// What its host is chosen by. Default: nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hash: Vec<L4Hash>,
    /// The metadata that its host must have, where the cluster has such `subsets`. Default: any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub subset: BTreeMap<String, String>,
}

/// All of these hold; what is not given holds for everything.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct L4Match {
    /// Any of these: exact names, or all names below one. Only for TCP.
    #[serde(serialize_with = "write::display_list", skip_serializing_if = "Vec::is_empty")]
    pub sni: Vec<HostPattern>,
    /// Any of these has the client's address.
    #[serde(serialize_with = "write::display_list", skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<Cidr>,
    /// Any of these: the port that the client spoke to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destination_port: Vec<u16>,
}

/// One of these keys stands in the route.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum L4Action {
    /// `"cluster": NAME`
    Cluster(String),
    /// `"clusters": [{ "name": NAME, "weight": N }]`
    Clusters(Vec<WeightedCluster>),
}

impl L4Action {
    /// The names of the clusters that it may choose.
    pub fn clusters(&self) -> Vec<&str> {
        match self {
            L4Action::Cluster(name) => vec![name],
            L4Action::Clusters(shares) => shares.iter().map(|share| share.name.as_str()).collect(),
        }
    }
}

/// What the bytes of a listener travel in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum L4 {
    Tcp,
    Udp,
}

/// Keys of features to come.
const LATER: &[&str] = &["metadata", "rate_limits", "runtime", "shadow", "tracing"];

/// What only a route of HTTP has.
const HTTP_ONLY: &[&str] = &[
    "redirect",
    "respond",
    "timeout",
    "grpc_timeout_max",
    "rewrite",
    "request_headers",
    "response_headers",
    "upgrades",
    "connect",
    "filters",
];

const HTTP_ONLY_MATCH: &[&str] = &["host", "path", "method", "grpc", "headers", "query"];

/// Every route; warns of those that nothing can reach.
pub(super) fn read_all(cx: &Cx, node: &Node, l4: L4) -> Option<Vec<L4Route>> {
    let mut routes = Vec::new();
    let mut catch_all = None;
    for (at, node) in cx.elements(node, "a list of routes")?.iter().enumerate() {
        let Some(route) = read(cx, node, l4) else { continue };
        match catch_all {
            Some(earlier) => cx.warn(node, format!("is never reached: routes[{earlier}] matches everything")),
            None if route.matches == L4Match::default() => catch_all = Some(at),
            None => {}
        }
        routes.push(route);
    }
    Some(routes)
}

fn read(cx: &Cx, node: &Node, l4: L4) -> Option<L4Route> {
    let mut o = cx.object(node)?;
    o.later(LATER);
    refuse_http(&mut o, HTTP_ONLY);
    let name = o.optional("name", String::new(), read::name_or_empty);
    let matches = o.optional("match", L4Match::default(), |cx, node| read_match(cx, node, l4));
    let action = read_action(cx, node, &mut o);
    let hash = o.optional("hash", Vec::new(), route_hash::read_l4(l4));
    let names = action.as_ref().map(L4Action::clusters).unwrap_or_default();
    let subset = o.optional("subset", BTreeMap::new(), |cx, node| route_subset::read(cx, node, &names));
    if subset.is_empty() {
        route_subset::warn_of_none(cx, node, &names);
    }
    o.finish();
    Some(L4Route { name, matches, action: action?, hash, subset })
}

/// Refuses keys that would have a meaning on a listener that speaks HTTP.
pub(super) fn refuse_http(o: &mut Object, keys: &[&str]) {
    for key in keys {
        o.refuse(key, format!("\"{key}\" is for HTTP, which this listener does not speak"));
    }
}

fn read_match(cx: &Cx, node: &Node, l4: L4) -> Option<L4Match> {
    let mut o = cx.object(node)?;
    o.later(&["alpn", "metadata", "percent", "runtime"]);
    refuse_http(&mut o, HTTP_ONLY_MATCH);
    if l4 == L4::Udp {
        o.refuse("sni", "\"sni\" is for TCP: a datagram names no server");
    }
    let matches = L4Match {
        sni: if l4 == L4::Tcp { o.optional("sni", Vec::new(), read::some(read_sni)) } else { Vec::new() },
        source: o.optional("source", Vec::new(), read::some(read_source)),
        destination_port: o.optional("destination_port", Vec::new(), read::some(read::integer(1..=65_535))),
    };
    o.finish();
    Some(matches)
}

fn read_source(cx: &Cx, node: &Node) -> Option<Cidr> {
    read::parsed("an address range such as \"192.0.2.0/24\" or \"2001:db8::/32\"")(cx, node)
}

pub(super) fn read_sni(cx: &Cx, node: &Node) -> Option<HostPattern> {
    match route_match::read_host(cx, node)? {
        pattern @ (HostPattern::Exact(_) | HostPattern::Suffix(_)) => Some(pattern),
        pattern => {
            let complaint = Complaint::new(format!("{} is not a pattern of server names", quote(&pattern.to_string())));
            cx.refuse(node, complaint.expected("\"www.example.com\" or \"*.example.com\""))
        }
    }
}

fn read_action(cx: &Cx, node: &Node, o: &mut Object) -> Option<L4Action> {
    let (one, several) = (o.has("cluster"), o.has("clusters"));
    let cluster = o.maybe("cluster", Cx::cluster).map(L4Action::Cluster);
    let clusters = o.maybe("clusters", read_clusters).map(L4Action::Clusters);
    let expected = "one of cluster, clusters";
    match (one, several) {
        (true, true) => {
            let complaint = Complaint::new("has 2 actions: \"cluster\", \"clusters\"");
            cx.refuse(node, complaint.expected(expected))
        }
        (false, false) => {
            o.lacks(Complaint::new("has no action").expected(expected), &["cluster", "clusters"]);
            None
        }
        _ => cluster.or(clusters),
    }
}

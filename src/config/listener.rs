//! One of the `listeners`, of connections: where traffic comes in.

use serde::Serialize;

use super::route::RouteCx;
use super::text::{Complaint, Cx, Node, quote, read, write};
use super::{AccessLog, Filter, Http, Route, access_log, address, filter, http, route};
use crate::runtime::net::Addr;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listener {
    /// Unique. Default: the address.
    pub name: String,
    #[serde(serialize_with = "write::display")]
    pub address: Addr,
    pub protocol: Protocol,
    pub http: Http,
    pub filters: Vec<Filter>,
    pub routes: Vec<Route>,
    /// `None`: the file's `access_log`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<Vec<AccessLog>>,
    /// Most connections over all workers. Default 10 000, at least 1.
    pub max_connections: u64,
    /// Most connections waiting for accept. Default 4096, 1 to 65 535.
    pub tcp_backlog_size: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    #[default]
    Http,
    /// Of a [`super::UdpListener`], and only of those.
    Udp,
}

/// Keys of features to come.
const LATER: &[&str] =
    &["tls", "quic", "chains", "proxy_protocol", "transparent", "reuse_port", "detect_timeout", "stat_prefix", "stats"];

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Listener> {
    let mut o = cx.object(node)?;
    o.later(LATER);
    o.refuse("udp", "\"udp\" is for listeners whose \"protocol\" is \"udp\"");
    let name = o.maybe("name", read::name);
    let address = o.required("address", address::listening);
    let protocol = o.optional("protocol", Protocol::default(), read_protocol);
    let http = o.optional("http", Http::default(), http::read);
    let filters = o.optional("filters", Vec::new(), read::list(filter::read));
    let scope = RouteCx { http: &http, filters: &filters };
    let routes = match o.take("routes") {
        Some(node) => route::read_all(cx, &node, &scope).unwrap_or_default(),
        None => Vec::new(),
    };
    if routes.is_empty() && !o.has("chains") {
        cx.warn(node, "has no routes: every request is answered 404");
    }
    let access_log = o.maybe("access_log", read::one_or_list(access_log::read));
    let max_connections = o.optional("max_connections", 10_000, read::integer(1..=u64::MAX));
    let tcp_backlog_size = o.optional("tcp_backlog_size", 4096, read::integer(1..=65_535));
    o.finish();
    let address = address?;
    let name = name.unwrap_or_else(|| address.to_string());
    Some(Listener { name, address, protocol, http, filters, routes, access_log, max_connections, tcp_backlog_size })
}

fn read_protocol(cx: &Cx, node: &Node) -> Option<Protocol> {
    match read::string(cx, node)?.as_str() {
        "http" => Some(Protocol::Http),
        later @ "tcp" => cx.refuse(node, format!("\"{later}\" is not supported yet")),
        other => cx.refuse(
            node,
            Complaint::new(format!("{} is not known here", quote(other))).expected("\"http\" or \"udp\""),
        ),
    }
}

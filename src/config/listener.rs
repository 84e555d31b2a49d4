//! `listeners`: where traffic comes in.

use std::collections::HashMap;

use serde::Serialize;

use super::route::RouteCx;
use super::text::{Complaint, Cx, Node, quote, read, write};
use super::{AccessLog, Filter, Http, ListenerTls, Route, access_log, address, filter, http, route, tls};
use crate::runtime::net::Addr;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listener {
    /// Unique. Default: the address.
    pub name: String,
    #[serde(serialize_with = "write::display")]
    pub address: Addr,
    pub protocol: Protocol,
    /// `None`: clients speak plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
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
}

/// Keys of features to come.
const LATER: &[&str] =
    &["quic", "chains", "proxy_protocol", "transparent", "reuse_port", "detect_timeout", "stat_prefix", "stats"];

/// Every listener, and that no two have one name or address.
pub(super) fn read_all(cx: &Cx, node: &Node) -> Option<Vec<Listener>> {
    let mut listeners: Vec<Listener> = Vec::new();
    let (mut names, mut addresses) = (HashMap::new(), HashMap::new());
    for (at, node) in cx.elements(node, "a list of listeners")?.iter().enumerate() {
        let Some(listener) = read(cx, node) else { continue };
        let address = listener.address.to_string();
        if let Some(first) = addresses.get(&address).filter(|_| address::is_exclusive(&listener.address)) {
            cx.refuse::<()>(node, format!("the address {address} is taken by listeners[{first}]"));
        } else if let Some(first) = names.get(&listener.name) {
            let complaint =
                Complaint::new(format!("the name {} is taken by listeners[{first}]", quote(&listener.name)));
            let hint = "the name of a listener is its address by default";
            cx.refuse::<()>(node, if listener.name == address { complaint.hint(hint) } else { complaint });
        }
        names.entry(listener.name.clone()).or_insert(at);
        addresses.entry(address).or_insert(at);
        listeners.push(listener);
    }
    Some(listeners)
}

fn read(cx: &Cx, node: &Node) -> Option<Listener> {
    let mut o = cx.object(node)?;
    o.later(LATER);
    let name = o.maybe("name", read::name);
    let address = o.required("address", address::listening);
    let protocol = o.optional("protocol", Protocol::default(), read_protocol);
    let http = o.optional("http", Http::default(), http::read);
    let tls = o.maybe("tls", |cx, node| tls::read_listener(cx, node, http.versions));
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
    Some(Listener {
        name,
        address,
        protocol,
        tls,
        http,
        filters,
        routes,
        access_log,
        max_connections,
        tcp_backlog_size,
    })
}

fn read_protocol(cx: &Cx, node: &Node) -> Option<Protocol> {
    match read::string(cx, node)?.as_str() {
        "http" => Some(Protocol::Http),
        later @ ("tcp" | "udp") => cx.refuse(node, format!("\"{later}\" is not supported yet")),
        other => cx.refuse(node, Complaint::new(format!("{} is not known here", quote(other))).expected("\"http\"")),
    }
}

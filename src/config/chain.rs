//! `chains` of a listener: what becomes of a connection, by its port, its addresses and its TLS hello. A listener without
//! that key has one chain, made of its own keys, that takes every connection.

use serde::Serialize;

use super::route::RouteCx;
use super::route_l4::L4;
use super::text::{Complaint, Cx, Node, Object, read, write};
use super::{
    Cidr, Filter, HostPattern, Http, L4Route, ListenerTls, Route, Tcp, Versions, filter, http, route, route_l4, tcp,
    tls,
};

/// One way to treat a connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chain {
    /// Unique among listeners and chains; stats bear it. Default: `LISTENER/INDEX`.
    pub name: String,
    #[serde(rename = "match")]
    pub matches: ChainMatch,
    #[serde(flatten)]
    pub service: Service,
}

/// What a connection must look like. Of several chains the most specific is taken, criterion by criterion in this
/// order, as Envoy does.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ChainMatch {
    /// The port that the client connected to: any of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destination_port: Vec<u16>,
    /// The address that the client connected to: in any of these.
    #[serde(serialize_with = "write::display_list", skip_serializing_if = "Vec::is_empty")]
    pub destination: Vec<Cidr>,
    /// The server name of the TLS hello: any of these.
    #[serde(serialize_with = "write::display_list", skip_serializing_if = "Vec::is_empty")]
    pub sni: Vec<HostPattern>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<TransportKind>,
    /// Protocols that the TLS hello offers: any of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// The client's address: in any of these.
    #[serde(serialize_with = "write::display_list", skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<Cidr>,
    /// The client's port: any of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_port: Vec<u16>,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransportKind {
    /// A TLS hello.
    Tls,
    /// Anything else.
    RawBuffer,
}

/// What is done with a connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    /// `None`: clients speak plain text, or TLS is passed through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    pub filters: Vec<Filter>,
    #[serde(flatten)]
    pub protocol: Protocol,
}

/// What the bytes are taken for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "protocol", rename_all = "snake_case")]
pub enum Protocol {
    Http(Box<HttpService>),
    Tcp(TcpService),
}

#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct HttpService {
    pub http: Http,
    pub routes: Vec<Route>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TcpService {
    pub tcp: Tcp,
    pub routes: Vec<L4Route>,
}

/// Keys that say what is done with a connection: of a chain, or of a listener without chains.
pub(super) const SERVICE_KEYS: &[&str] = &["protocol", "tls", "http", "tcp", "filters", "routes"];

/// The chains of a listener.
pub(super) fn read_all(cx: &Cx, node: &Node, listener: &str) -> Option<Vec<Chain>> {
    let nodes = cx.elements(node, "a list of chains")?;
    if nodes.is_empty() {
        return cx.refuse(node, Complaint::new("is empty").expected("at least one chain"));
    }
    let mut chains: Vec<Chain> = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let Some(chain) = read_chain(cx, node, listener, at) else { continue };
        if let Some(first) = chains.iter().position(|earlier| earlier.matches == chain.matches) {
            cx.refuse::<()>(node, format!("matches the same connections as chains[{first}]"));
        }
        chains.push(chain);
    }
    Some(chains)
}

fn read_chain(cx: &Cx, node: &Node, listener: &str, at: usize) -> Option<Chain> {
    let mut o = cx.object(node)?;
    let name = o.maybe("name", read::name).unwrap_or_else(|| format!("{listener}/{at}"));
    let matches = o.optional("match", ChainMatch::default(), read_match);
    let service = read_service(cx, node, &mut o);
    o.finish();
    Some(Chain { name, matches, service: service? })
}

fn read_match(cx: &Cx, node: &Node) -> Option<ChainMatch> {
    const TRANSPORTS: &[(&str, TransportKind)] =
        &[("tls", TransportKind::Tls), ("raw_buffer", TransportKind::RawBuffer)];
    let mut o = cx.object(node)?;
    let matches = ChainMatch {
        destination_port: o.optional("destination_port", Vec::new(), read_ports),
        destination: o.optional("destination", Vec::new(), read_ranges),
        sni: o.optional("sni", Vec::new(), read::some(route_l4::read_sni)),
        transport: o.maybe("transport", read::one_of(TRANSPORTS)),
        alpn: o.optional("alpn", Vec::new(), read::some(read_alpn)),
        source: o.optional("source", Vec::new(), read_ranges),
        source_port: o.optional("source_port", Vec::new(), read_ports),
    };
    o.finish();
    if matches.transport == Some(TransportKind::RawBuffer) && !(matches.sni.is_empty() && matches.alpn.is_empty()) {
        return cx.refuse(node, "has \"sni\" or \"alpn\", which only TLS has, and \"transport\": \"raw_buffer\"");
    }
    Some(matches)
}

/// One port or a list of them.
pub(super) fn read_ports(cx: &Cx, node: &Node) -> Option<Vec<u16>> {
    read::some(read::integer(1..=65_535))(cx, node)
}

/// One address range or a list of them.
pub(super) fn read_ranges(cx: &Cx, node: &Node) -> Option<Vec<Cidr>> {
    read::some(read::parsed("an address range such as \"192.0.2.0/24\" or \"2001:db8::/32\""))(cx, node)
}

fn read_alpn(cx: &Cx, node: &Node) -> Option<String> {
    let text = read::string(cx, node)?;
    match text.len() {
        1..=255 => Some(text),
        _ => cx.refuse(node, Complaint::new("is not a protocol name").expected("1 to 255 bytes, such as \"h2\"")),
    }
}

/// The keys that a chain and a listener without chains share.
pub(super) fn read_service(cx: &Cx, node: &Node, o: &mut Object) -> Option<Service> {
    let protocol = o.optional("protocol", "http", read_protocol);
    let filters = o.optional("filters", Vec::new(), read::list(filter::read));
    filter::check(cx, node, &filters, protocol);
    let protocol = match protocol {
        "http" => Protocol::Http(Box::new(read_http(cx, node, o, &filters))),
        _ => Protocol::Tcp(read_tcp(cx, node, o, &filters)),
    };
    let versions = match &protocol {
        Protocol::Http(service) => service.http.versions,
        Protocol::Tcp(_) => Versions { h1: false, h2: false },
    };
    let tls = o.maybe("tls", |cx, node| {
        let tls = tls::read_listener(cx, node, versions)?;
        let is_http = matches!(protocol, Protocol::Http(_));
        if is_http && !versions.h2 && tls.alpn.iter().any(|name| name == "h2") {
            return cx.refuse(node, "\"alpn\" offers \"h2\", which is not among the \"versions\" of \"http\"");
        }
        Some(tls)
    });
    filter::check_tls(cx, node, &filters, tls.as_ref());
    Some(Service { tls, filters, protocol })
}

/// Datagrams have listeners of their own (`udp_listener`).
fn read_protocol(cx: &Cx, node: &Node) -> Option<&'static str> {
    match read::one_of(&[("http", "http"), ("tcp", "tcp"), ("udp", "udp")])(cx, node)? {
        "udp" => cx.refuse(node, "\"udp\" is not for chains: datagrams have a listener of their own"),
        protocol => Some(protocol),
    }
}

fn read_http(cx: &Cx, node: &Node, o: &mut Object, filters: &[Filter]) -> HttpService {
    let http = o.optional("http", Http::default(), http::read);
    not_for(cx, o, "tcp", "http");
    let scope = RouteCx { http: &http, filters };
    let routes = match o.take("routes") {
        Some(node) => route::read_all(cx, &node, &scope).unwrap_or_default(),
        None => Vec::new(),
    };
    if routes.is_empty() {
        cx.warn(node, "has no routes: every request is answered 404");
    }
    HttpService { http, routes }
}

fn read_tcp(cx: &Cx, node: &Node, o: &mut Object, filters: &[Filter]) -> TcpService {
    let tcp = o.optional("tcp", Tcp::default(), tcp::read);
    not_for(cx, o, "http", "tcp");
    let routes = o.optional("routes", Vec::new(), |cx, node| route_l4::read_all(cx, node, L4::Tcp));
    if routes.is_empty() && !filters.iter().any(Filter::is_terminal) {
        cx.warn(node, "has no routes: every connection is closed");
    }
    TcpService { tcp, routes }
}

/// Refuses the settings of another protocol.
fn not_for(cx: &Cx, o: &mut Object, key: &'static str, protocol: &str) {
    if let Some(node) = o.take(key) {
        cx.refuse::<()>(&node, format!("has no meaning where \"protocol\" is \"{protocol}\""));
    }
}

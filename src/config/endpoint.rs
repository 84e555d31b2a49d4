//! `endpoints` of a cluster: who its hosts are, or the names that they are found by. A file of `"discovery": "file"` has them
//! in the same shape.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nuncio_dns::{Name, NameError};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::text::{self, Complaint, Cx, Kind, Node, Problems, quote, read};
use super::{Discovery, address};
use crate::order;
use crate::runtime::net::Addr;

/// `"host:port"`, or an object with that as its `"address"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    pub address: Target,
    /// 1 to 128. Default 1. Of `srv` it is what DNS says.
    pub weight: u32,
    /// 0 to 127: hosts of 0 are taken as long as enough of them are healthy. Default 0. Of `srv` it is what DNS says.
    pub priority: u32,
    /// Its locality (Envoy's `locality.zone`). Default: none.
    pub zone: String,
    /// What subsets are made by, at most 64 entries. Default: none.
    pub metadata: BTreeMap<String, String>,
}

/// Where an endpoint is, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Address(Addr),
    /// A name with A and AAAA records.
    Name(HostName, u16),
    /// A name with SRV records.
    Service(HostName),
}

/// A name to ask DNS for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName {
    pub name: Name,
    /// Written with a final dot: it is not looked for in the search domains.
    pub absolute: bool,
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.absolute { "." } else { "" })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Address(address) => address.fmt(f),
            Target::Name(name, port) => write!(f, "{name}:{port}"),
            Target::Service(name) => name.fmt(f),
        }
    }
}

impl Target {
    pub fn address(&self) -> Option<&Addr> {
        match self {
            Target::Address(address) => Some(address),
            Target::Name(..) | Target::Service(_) => None,
        }
    }
}

impl Endpoint {
    /// One with nothing but an address.
    pub fn of(address: Addr) -> Endpoint {
        Endpoint::at(Target::Address(address))
    }

    fn at(address: Target) -> Endpoint {
        Endpoint { address, weight: 1, priority: 0, zone: String::new(), metadata: BTreeMap::new() }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("address", &format_args!("{}", self.address))?;
        // Of a service DNS says both.
        if !matches!(self.address, Target::Service(_)) {
            map.serialize_entry("weight", &self.weight)?;
            map.serialize_entry("priority", &self.priority)?;
        }
        if !self.zone.is_empty() {
            map.serialize_entry("zone", &self.zone)?;
        }
        if !self.metadata.is_empty() {
            map.serialize_entry("metadata", &self.metadata)?;
        }
        map.end()
    }
}

const MAX_METADATA: usize = 64;

/// Reads the text of an endpoints file: `{ "endpoints": [...] }`. Relative paths start from `base_dir`; `name` is how
/// problems call the file.
///
/// # Errors
/// All that is wrong with it.
pub fn parse_endpoints(text: &str, base_dir: &Path, name: &str) -> Result<Vec<Endpoint>, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let cx = Cx::new(text, base_dir, name);
    let endpoints = match text::root(text) {
        Ok(root) => read_file(&cx, &root),
        Err(error) => cx.syntax_error(&error),
    };
    cx.into_result(endpoints).map(|(endpoints, _)| endpoints)
}

fn read_file(cx: &Cx, root: &Node) -> Option<Vec<Endpoint>> {
    let mut o = cx.object(root)?;
    // An empty list is a change like any other.
    let endpoints = o.required("endpoints", |cx, node| read_list(cx, node, Discovery::File));
    o.finish();
    endpoints
}

/// At least one.
pub(super) fn read_all(cx: &Cx, node: &Node, discovery: Discovery) -> Option<Vec<Endpoint>> {
    if node.kind() == Kind::Array && node.elements().is_ok_and(|elements| elements.is_empty()) {
        return cx.refuse(node, Complaint::new("is empty").expected("at least one endpoint"));
    }
    let endpoints = read_list(cx, node, discovery)?;
    if discovery == Discovery::LogicalDns && endpoints.len() > 1 {
        let complaint = Complaint::new("has more than one endpoint, and \"logical_dns\" is one host with one name");
        return cx.refuse(node, complaint.expected("one endpoint, or \"discovery\": \"strict_dns\""));
    }
    Some(endpoints)
}

fn read_list(cx: &Cx, node: &Node, discovery: Discovery) -> Option<Vec<Endpoint>> {
    let nodes = cx.elements(node, "a list of endpoints")?;
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(nodes.len());
    let mut seen = HashSet::new();
    for node in &nodes {
        if let Some(endpoint) = read(cx, node, discovery) {
            let who =
                (endpoint.address.to_string(), endpoint.priority, endpoint.zone.clone(), endpoint.metadata.clone());
            if !seen.insert(who) {
                cx.warn(node, format!("{} is an endpoint of this cluster already", endpoint.address));
            }
            endpoints.push(endpoint);
        }
    }
    Some(endpoints)
}

fn read(cx: &Cx, node: &Node, discovery: Discovery) -> Option<Endpoint> {
    let target = |cx: &Cx, node: &Node| read_target(cx, node, discovery);
    match node.kind() {
        Kind::String => Some(Endpoint::at(target(cx, node)?)),
        Kind::Object => {
            let mut o = cx.object(node)?;
            let address = o.required("address", target);
            if discovery == Discovery::Srv {
                for key in ["weight", "priority"] {
                    o.refuse(key, "has no meaning where \"discovery\" is \"srv\": DNS says it");
                }
            }
            let endpoint = (
                o.optional("weight", 1, read::integer(1..=128)),
                o.optional("priority", 0, read::integer(0..=127)),
                o.optional("zone", String::new(), read::name_or_empty),
                o.optional("metadata", BTreeMap::new(), read_metadata),
            );
            o.finish();
            let (weight, priority, zone, metadata) = endpoint;
            Some(Endpoint { address: address?, weight, priority, zone, metadata })
        }
        _ => cx.wrong_type(node, "an address, or an object with an \"address\""),
    }
}

fn read_metadata(cx: &Cx, node: &Node) -> Option<BTreeMap<String, String>> {
    let entries = cx.entries(node, "an object of texts")?;
    if entries.len() > MAX_METADATA {
        return cx.refuse(node, Complaint::new("is too long").expected(format!("at most {MAX_METADATA} entries")));
    }
    for entry in &entries {
        if let Err(complaint) = read::check_name(&entry.key) {
            cx.refuse::<()>(&entry.key_node, complaint);
        }
    }
    let read = |entry: &text::Entry| Some((entry.key.to_string(), read::name_or_empty(cx, &entry.value)?));
    Some(order::map(entries.iter().filter_map(read)))
}

fn read_target(cx: &Cx, node: &Node, discovery: Discovery) -> Option<Target> {
    match discovery {
        Discovery::StrictDns | Discovery::LogicalDns => read_named(cx, node),
        Discovery::Srv => read_service(cx, node),
        Discovery::Static | Discovery::File | Discovery::OriginalDst => {
            if let Some((name, _)) = node.string().ok().as_deref().and_then(split_name)
                && node.kind() == Kind::String
            {
                let complaint = Complaint::new(format!("{} is a name, and names are not resolved here", quote(name)));
                let expected = match discovery {
                    Discovery::File => "an IP address and a port",
                    _ => "\"discovery\": \"strict_dns\" in this cluster, or an IP address and a port",
                };
                return cx.refuse(node, complaint.expected(expected));
            }
            address::connecting(cx, node).map(Target::Address)
        }
    }
}

/// `"api.internal:8080"`, or an IP address.
fn read_named(cx: &Cx, node: &Node) -> Option<Target> {
    let text = read::string(cx, node)?;
    let Some((host, port)) = split_name(&text) else {
        return match address::connecting(cx, node)? {
            Addr::Unix(_) => cx.refuse(node, Complaint::new("a UNIX socket is not found by DNS").expected("a name")),
            address => Some(Target::Address(address)),
        };
    };
    match (port.parse::<u16>(), host_name(host)) {
        (Ok(0) | Err(_), _) => cx.refuse(
            node,
            Complaint::new(format!("{} has no port", quote(&text))).expected("a name such as \"api.internal:8080\""),
        ),
        (Ok(port), Ok(name)) => Some(Target::Name(name, port)),
        (_, Err(why)) => cx.refuse(node, Complaint::new(format!("{} is not a name: {why}", quote(host)))),
    }
}

/// `"_postgres._tcp.internal"`.
fn read_service(cx: &Cx, node: &Node) -> Option<Target> {
    let text = read::string(cx, node)?;
    let complaint = |why: &str| {
        let complaint = Complaint::new(format!("{} is not the name of a service: {why}", quote(&text)));
        complaint.expected("a name such as \"_postgres._tcp.internal\"")
    };
    match host_name(&text) {
        Ok(name) => Some(Target::Service(name)),
        Err(NameError::Character(':')) => cx.refuse(node, complaint("its SRV records have the port")),
        Err(why) => cx.refuse(node, complaint(&why.to_string())),
    }
}

fn host_name(text: &str) -> Result<HostName, NameError> {
    Ok(HostName { name: text.parse()?, absolute: text.ends_with('.') })
}

/// A host's name and its port, if that is what it looks like.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    if text.starts_with("unix:")
        || host == "localhost"
        || host.contains([':', '/', '['])
        || host.parse::<IpAddr>().is_ok()
    {
        return None;
    }
    // A last label of digits is a mistyped address: no name ends so.
    let last = host.trim_end_matches('.').rsplit('.').next()?;
    (!last.is_empty() && last.contains(|c: char| !c.is_ascii_digit() && c != '*')).then_some((host, port))
}

/// The path of an endpoints file.
pub(super) fn read_path(cx: &Cx, node: &Node) -> Option<PathBuf> {
    let text = read::string(cx, node)?;
    if text.is_empty() || text.contains('\0') {
        let complaint = Complaint::new(format!("{} is not a path", quote(&text)));
        return cx.refuse(node, complaint.expected("the path of a file"));
    }
    Some(cx.resolve(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation;

    fn parse(text: &str) -> Result<Vec<Endpoint>, String> {
        parse_endpoints(text, Path::new("/etc/nuncio"), "e.json").map_err(|problems| problems.to_string())
    }

    #[test]
    fn an_endpoints_file() {
        let text = r#"{ "endpoints": ["192.0.2.1:80", { "address": "unix:app.sock", "weight": 3, "zone": "a" }] }"#;
        let endpoints = parse(text).unwrap();
        let shown: Vec<String> =
            endpoints.iter().map(|it| format!("{} {} {}", it.address, it.weight, it.zone)).collect();
        assert_eq!(shown, ["192.0.2.1:80 1 ", "unix:/etc/nuncio/app.sock 3 a"]);
        assert_eq!(parse(r#"{ "endpoints": [] }"#), Ok(Vec::new()));
    }

    #[test]
    fn any_endpoints_file_is_read_or_refused_with_a_place() {
        let samples: [&[u8]; 3] = [
            br#"{ "endpoints": ["192.0.2.1:80", "[2001:db8::1]:80", "unix:app.sock"] }"#,
            br#"{ "endpoints": [{ "address": "192.0.2.2:80", "weight": 3, "priority": 1, "zone": "b",
                "metadata": { "stage": "canary", "n": "1" } }, "192.0.2.3:65535"] }"#,
            b"\xef\xbb\xbf{\n\"endpoints\": []\n}",
        ];
        let words: [&[u8]; 12] = [
            b"\"",
            b"{",
            b"[",
            b"}",
            b"]",
            b",",
            b"\\u0000",
            b"\\ud800",
            b"1e999",
            b"-1",
            b"\"endpoints\": ",
            b"\xc3\xa4",
        ];
        mutation::check(&samples, &words, |bytes| {
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            match parse(text) {
                Ok(endpoints) => assert!(endpoints.iter().all(|it| it.address.address().is_some() && it.weight > 0)),
                Err(problems) => {
                    let has_place = |line: &str| line.starts_with("e.json:") || line.starts_with(' ');
                    assert!(!problems.is_empty() && problems.lines().all(has_place), "{problems}");
                }
            }
        });
    }

    #[test]
    fn problems_of_an_endpoints_file_have_their_places() {
        for (text, problem) in [
            ("{", "e.json:1:1: is not JSON: EOF while parsing an object"),
            ("{}", "e.json:1:1: \"endpoints\" is missing"),
            (
                r#"{ "endpoints": ["a.internal:80"] }"#,
                "e.json:1:17: endpoints[0]: \"a.internal\" is a name, and names are not resolved here; expected an IP address and a port",
            ),
            (
                r#"{ "endpoints": [], "endpoint": 1 }"#,
                "e.json:1:20: endpoint: unknown key \"endpoint\"; did you mean \"endpoints\"?",
            ),
        ] {
            assert_eq!(parse(text), Err(problem.to_owned()));
        }
    }

    #[test]
    fn names_and_what_only_looks_like_them() {
        for (text, expected) in [
            ("api.internal:80", Some(("api.internal", "80"))),
            ("api:80", Some(("api", "80"))),
            ("a1:80", Some(("a1", "80"))),
            ("a.internal.:x", Some(("a.internal.", "x"))),
            ("192.0.2.1:80", None),
            ("192.0.2.300:80", None),
            ("[::1]:80", None),
            ("::1", None),
            ("localhost:80", None),
            ("unix:/run/a", None),
            ("unix:a", None),
            ("http://a:80", None),
            ("*:80", None),
            (":80", None),
            ("", None),
        ] {
            assert_eq!(split_name(text), expected, "{text}");
        }
    }
}

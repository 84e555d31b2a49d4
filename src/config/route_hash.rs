//! `hash` of a route: what of a request, connection or session chooses its host (Envoy's `hash_policy`, `hash_policies` of
//! its UDP proxy).

use std::time::Duration;

use nuncio_http::HeaderName;
use serde::{Serialize, Serializer};

use super::balancing::{cookie_name, cookie_path};
use super::route_l4::{L4, refuse_http};
use super::text::{Complaint, Cx, Node, read, write};

/// One part of the hash. Parts that a request does not have are left out; without any, it has no hash.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteHash {
    #[serde(flatten)]
    pub on: HashOn,
    /// If the request has it, the parts behind it do not count. Default false.
    pub terminal: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HashOn {
    /// All values of this header.
    #[serde(serialize_with = "header")]
    Header(HeaderName),
    Cookie(HashCookie),
    /// The client's address, without its port: the one that the trust rules give. Always true.
    SourceAddress(bool),
    /// The first value of this query parameter.
    Query(String),
}

/// A cookie, made for the clients that have none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HashCookie {
    pub name: String,
    /// A client without it gets one, for so long; zero: until the client is closed. `None`: it gets none (the default).
    #[serde(serialize_with = "write::duration_or_off")]
    pub ttl: Option<Duration>,
    /// Where the client sends it. Default `/`.
    pub path: String,
}

/// One part of the hash where bytes are carried and not HTTP. Parts that a client does not have are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct L4Hash {
    #[serde(flatten)]
    pub on: L4HashOn,
    /// If the client has it, the parts behind it do not count. Default false.
    pub terminal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum L4HashOn {
    /// The client's address, without its port. Always true.
    SourceAddress(bool),
    /// The name in the hello of TLS, in any case of letters. Always true; only for TCP.
    Sni(bool),
}

fn header<S: Serializer>(name: &HeaderName, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(name.as_str())
}

/// At most so many parts.
const MOST: usize = 16;

pub(super) fn read_all(cx: &Cx, node: &Node) -> Option<Vec<RouteHash>> {
    read_parts(cx, node, read_part)
}

/// The `hash` of a route that carries bytes.
pub(super) fn read_l4(l4: L4) -> impl Fn(&Cx, &Node) -> Option<Vec<L4Hash>> {
    move |cx, node| read_parts(cx, node, |cx, node| read_l4_part(cx, node, l4))
}

fn read_parts<T>(cx: &Cx, node: &Node, part: impl Fn(&Cx, &Node) -> Option<T>) -> Option<Vec<T>> {
    let hash = read::some(part)(cx, node)?;
    if hash.len() > MOST {
        return cx
            .refuse(node, Complaint::new(format!("has {} parts", hash.len())).expected(format!("at most {MOST}")));
    }
    Some(hash)
}

const KEYS: &[&str] = &["header", "cookie", "source_address", "query"];

fn read_part(cx: &Cx, node: &Node) -> Option<RouteHash> {
    let mut o = cx.object(node)?;
    super::matcher::one_pattern(cx, node, &mut o, KEYS);
    let parts = [
        o.maybe("header", read::header_name).map(HashOn::Header),
        o.maybe("cookie", read_cookie).map(HashOn::Cookie),
        o.maybe("source_address", yes).map(HashOn::SourceAddress),
        o.maybe("query", read::string).map(HashOn::Query),
    ];
    let terminal = o.optional("terminal", false, read::boolean);
    o.finish();
    Some(RouteHash { on: parts.into_iter().flatten().next()?, terminal })
}

const HTTP_ONLY: &[&str] = &["header", "cookie", "query"];

fn read_l4_part(cx: &Cx, node: &Node, l4: L4) -> Option<L4Hash> {
    let mut o = cx.object(node)?;
    let known: &[&str] = if l4 == L4::Tcp { &["source_address", "sni"] } else { &["source_address"] };
    let is_foreign = HTTP_ONLY.iter().any(|key| o.has(key)) || l4 == L4::Udp && o.has("sni");
    refuse_http(&mut o, HTTP_ONLY);
    if l4 == L4::Udp {
        o.refuse("sni", "\"sni\" is for TCP: a datagram names no server");
    }
    if !is_foreign {
        super::matcher::one_pattern(cx, node, &mut o, known);
    }
    let parts = [
        o.maybe("source_address", yes).map(L4HashOn::SourceAddress),
        if l4 == L4::Tcp { o.maybe("sni", yes).map(L4HashOn::Sni) } else { None },
    ];
    let terminal = o.optional("terminal", false, read::boolean);
    o.finish();
    Some(L4Hash { on: parts.into_iter().flatten().next()?, terminal })
}

fn yes(cx: &Cx, node: &Node) -> Option<bool> {
    if read::boolean(cx, node)? { Some(true) } else { cx.refuse(node, Complaint::new("is false").expected("true")) }
}

fn read_cookie(cx: &Cx, node: &Node) -> Option<HashCookie> {
    let mut o = cx.object(node)?;
    let name = o.required("name", cookie_name);
    let ttl = o.optional("ttl", None, read::or_off(read_ttl));
    let path = o.optional("path", "/".to_owned(), cookie_path);
    o.finish();
    Some(HashCookie { name: name?, ttl, path })
}

/// `Max-Age` counts seconds.
fn read_ttl(cx: &Cx, node: &Node) -> Option<Duration> {
    let ttl = read::duration(cx, node)?;
    if ttl.subsec_nanos() != 0 {
        return cx.refuse(node, Complaint::new(format!("{} is not in whole seconds", node.text)));
    }
    Some(ttl)
}

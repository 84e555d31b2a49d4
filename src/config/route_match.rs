//! `match` of a route: what a request must look like.

use std::fmt;

use nuncio_http::{HeaderId, HeaderName, Method, Name, validate};
use serde::Serialize;

use super::header_edits::header_entries;
use super::path_text::{Reach, check_pattern};
use super::text::{Complaint, Cx, Kind, Node, quote, read, write};
use super::{Http, Matcher, Percent, matcher, percent, regex};

/// All of these hold; what is not given holds for every request.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Match {
    /// Any of these.
    #[serde(serialize_with = "write::display_list", skip_serializing_if = "Vec::is_empty")]
    pub host: Vec<HostPattern>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// Any of these.
    #[serde(serialize_with = "write::display_list", skip_serializing_if = "Vec::is_empty")]
    pub method: Vec<Method>,
    /// gRPC only, or anything but that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<bool>,
    /// What the connection knows of the client's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsMatch>,
    #[serde(serialize_with = "write::header_pairs", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(HeaderName, Matcher)>,
    /// Query parameters, by their first value.
    #[serde(serialize_with = "write::pairs", skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, Matcher)>,
    /// A share of the requests: those whose number, thrown once for all routes, is below it. It has a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Percent>,
}

/// Whether a client has shown a certificate, on this connection or in the session that it resumes. On plain text none has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TlsMatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presented: Option<bool>,
    /// It leads to an authority of the listener's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validated: Option<bool>,
}

/// A host without its port, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `*`
    Any,
    Exact(String),
    /// `*.example.com`, kept as `.example.com`.
    Suffix(String),
    /// `example.*`, kept as `example.`.
    Prefix(String),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathMatch {
    #[serde(flatten)]
    pub pattern: PathPattern,
    /// Default false.
    pub ignore_case: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PathPattern {
    Exact(String),
    Prefix(String),
    /// `/a` matches `/a` and `/a/b`, not `/ab`. Without a `/` at its end.
    PathSeparatedPrefix(String),
    /// Matches the whole path; see [`super::full_regex`].
    Regex(String),
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Any => f.write_str("*"),
            HostPattern::Exact(host) => f.write_str(host),
            HostPattern::Suffix(suffix) => write!(f, "*{suffix}"),
            HostPattern::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

pub(super) fn read(cx: &Cx, node: &Node, http: &Http) -> Option<Match> {
    let mut o = cx.object(node)?;
    o.later(&["sni", "source", "port", "scheme", "cookies", "metadata", "percent"]);
    let matches = Match {
        host: o.optional("host", Vec::new(), read::some(read_host)),
        path: o.maybe("path", |cx, node| read_path(cx, node, http)),
        method: o.optional("method", Vec::new(), read::some(read::method)),
        grpc: o.maybe("grpc", read::boolean),
        tls: o.maybe("tls", read_tls),
        headers: o.optional("headers", Vec::new(), read_headers),
        query: o.optional("query", Vec::new(), read_query),
        runtime: o.maybe("runtime", |cx, node| percent::read_keyed(cx, node, 0.0)),
    };
    o.finish();
    Some(matches)
}

fn read_tls(cx: &Cx, node: &Node) -> Option<TlsMatch> {
    let mut o = cx.object(node)?;
    let asks = o.has("presented") || o.has("validated");
    let tls =
        TlsMatch { presented: o.maybe("presented", read::boolean), validated: o.maybe("validated", read::boolean) };
    o.finish();
    match tls {
        _ if !asks => cx.refuse(node, Complaint::new("asks for nothing").expected("\"presented\" or \"validated\"")),
        TlsMatch { presented: Some(false), validated: Some(true) } => {
            cx.refuse(node, "no certificate is validated that is not presented")
        }
        tls => Some(tls),
    }
}

pub(super) fn read_host(cx: &Cx, node: &Node) -> Option<HostPattern> {
    const EXPECTED: &str = "\"www.example.com\", \"*.example.com\", \"www.*\" or \"*\"";
    let text = read::string(cx, node)?;
    let refuse = |why: &str| {
        let complaint = Complaint::new(format!("{} is not a host pattern: {why}", quote(&text)));
        cx.refuse(node, complaint.expected(EXPECTED))
    };
    let lower = text.to_ascii_lowercase();
    let (host, pattern): (&str, fn(String) -> HostPattern) = if lower == "*" {
        return Some(HostPattern::Any);
    } else if let Some(suffix) = lower.strip_prefix('*') {
        match suffix.strip_prefix('.') {
            Some(host) => (host, |host| HostPattern::Suffix(format!(".{host}"))),
            None => return refuse("a dot follows the \"*\""),
        }
    } else if let Some(prefix) = lower.strip_suffix('*') {
        match prefix.strip_suffix('.') {
            Some(host) => (host, |host| HostPattern::Prefix(format!("{host}."))),
            None => return refuse("a dot stands before the \"*\""),
        }
    } else {
        (&lower, HostPattern::Exact)
    };
    if host.contains('*') {
        return refuse("one \"*\", at its start or its end");
    }
    match validate::parse_authority(host.as_bytes()) {
        Some(authority) if authority.port.is_some() => refuse("hosts are matched without their port"),
        Some(_) if host.ends_with('.') => refuse("hosts are matched without a dot at their end"),
        Some(_) if host.starts_with('.') || host.contains("..") => refuse("a label is empty"),
        Some(_) => Some(pattern(host.to_owned())),
        None => refuse("not a host"),
    }
}

const PATH_KEYS: &[&str] = &["exact", "prefix", "path_separated_prefix", "regex"];

fn read_path(cx: &Cx, node: &Node, http: &Http) -> Option<PathMatch> {
    match node.kind() {
        Kind::String => {
            let pattern = PathPattern::Exact(read_pattern(cx, node, Reach::Whole, http)?);
            return Some(PathMatch { pattern, ignore_case: false });
        }
        Kind::Object => {}
        _ => return cx.wrong_type(node, "a path, or an object with one of \"exact\", \"prefix\", \"regex\", ..."),
    }
    let mut o = cx.object(node)?;
    o.later(&["template", "suffix", "contains"]);
    matcher::one_pattern(cx, node, &mut o, PATH_KEYS);
    let whole = |cx: &Cx, node: &Node| read_pattern(cx, node, Reach::Whole, http);
    let prefix = |cx: &Cx, node: &Node| read_pattern(cx, node, Reach::Prefix, http);
    let separated = |cx: &Cx, node: &Node| {
        let text = read_pattern(cx, node, Reach::Whole, http)?;
        let trimmed = text.strip_suffix('/').unwrap_or(&text);
        if trimmed.is_empty() {
            return cx.refuse(node, Complaint::new("matches every path").hint("write \"prefix\": \"/\""));
        }
        Some(trimmed.to_owned())
    };
    let patterns = [
        o.maybe("exact", whole).map(PathPattern::Exact),
        o.maybe("prefix", prefix).map(PathPattern::Prefix),
        o.maybe("path_separated_prefix", separated).map(PathPattern::PathSeparatedPrefix),
        o.maybe("regex", regex::read_full).map(PathPattern::Regex),
    ];
    let ignore_case = o.optional("ignore_case", false, read::boolean);
    o.finish();
    let pattern = patterns.into_iter().flatten().next()?;
    Some(PathMatch { pattern, ignore_case })
}

fn read_pattern(cx: &Cx, node: &Node, reach: Reach, http: &Http) -> Option<String> {
    let text = read::string(cx, node)?;
    match check_pattern(&text, reach, http) {
        Ok(()) => Some(text),
        Err(complaint) => cx.refuse(node, complaint),
    }
}

pub(super) fn read_headers(cx: &Cx, node: &Node) -> Option<Vec<(HeaderName, Matcher)>> {
    let entries = header_entries(cx, node, |text| {
        let name = read::check_header_name(text)?;
        match name.id() {
            HeaderId::Host => Err(Complaint::new("the host is not among the headers").hint("match it with \"host\"")),
            _ => Ok(name),
        }
    })?;
    let read = |(name, entry): (HeaderName, super::text::Entry)| Some((name, matcher::read(cx, &entry.value)?));
    Some(entries.into_iter().filter_map(read).collect())
}

fn read_query(cx: &Cx, node: &Node) -> Option<Vec<(String, Matcher)>> {
    let entries = cx.entries(node, "an object of parameter names")?;
    let read = |entry: &super::text::Entry| Some((entry.key.to_string(), matcher::read(cx, &entry.value)?));
    Some(entries.iter().filter_map(read).collect())
}

//! `dns`, of the file and of a cluster: whom names are asked from, and what is made of the answers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use super::Cidr;
use super::text::{Complaint, Cx, Node, quote, read, write};

/// How names become hosts. Those of the file hold for each cluster that says nothing else.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dns {
    /// Servers, asked in this order, in place of those of `/etc/resolv.conf`; with them no search domains. At most 8.
    /// Default: none (Envoy's `dns_resolvers`).
    #[serde(serialize_with = "write::display_list")]
    pub resolvers: Vec<SocketAddr>,
    /// Default auto (Envoy's `dns_lookup_family`).
    pub family: DnsFamily,
    /// Until a name is asked for again, where `respect_ttl` is false or an answer has no TTL. Default 5 s (Envoy's
    /// `dns_refresh_rate`).
    #[serde(serialize_with = "write::duration")]
    pub refresh: Duration,
    /// Names are asked for again when their TTL is over. Default true.
    pub respect_ttl: bool,
    /// A TTL is taken to be at least this. Default 5 s.
    #[serde(serialize_with = "write::duration")]
    pub min_ttl: Duration,
    /// And at most this. Default 1 h.
    #[serde(serialize_with = "write::duration")]
    pub max_ttl: Duration,
    /// Most time that a name without records is not asked for again. Default 30 s.
    #[serde(serialize_with = "write::duration")]
    pub max_negative_ttl: Duration,
    /// After a failure; doubled with each further one, up to ten times this (Envoy's `dns_failure_refresh_rate`). Default 1 s.
    #[serde(serialize_with = "write::duration")]
    pub failure_refresh: Duration,
    /// Every pause is longer by a random part of it, up to this many percent. 0 to 100, default 10 (Envoy's `dns_jitter`).
    #[serde(serialize_with = "write::percent")]
    pub jitter_percent: f64,
    /// Hosts whose name is said to have no records any more are kept for so long. Default 30 s.
    #[serde(serialize_with = "write::duration")]
    pub hold: Duration,
    /// Addresses that no answer may lead to: rebinding to what is inside. Default: none.
    #[serde(serialize_with = "write::display_list")]
    pub deny: Vec<Cidr>,
}

/// Which addresses of a name are hosts; of `logical_dns`, in which order they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DnsFamily {
    /// IPv6, if there are any and this host has a way to them; else IPv4.
    #[default]
    Auto,
    V4,
    V6,
    /// IPv4, if there are any; else IPv6.
    V4Preferred,
    /// Both.
    All,
}

impl Default for Dns {
    fn default() -> Dns {
        Dns {
            resolvers: Vec::new(),
            family: DnsFamily::Auto,
            refresh: Duration::from_secs(5),
            respect_ttl: true,
            min_ttl: Duration::from_secs(5),
            max_ttl: Duration::from_secs(3600),
            max_negative_ttl: Duration::from_secs(30),
            failure_refresh: Duration::from_secs(1),
            jitter_percent: 10.0,
            hold: Duration::from_secs(30),
            deny: Vec::new(),
        }
    }
}

const MAX_RESOLVERS: usize = 8;
const RANGE: &str = "an address range such as \"169.254.0.0/16\" or \"fe80::/10\"";

/// Keys that are not given are as in `base`.
pub(super) fn read(cx: &Cx, node: &Node, base: &Dns) -> Option<Dns> {
    const FAMILIES: &[(&str, DnsFamily)] = &[
        ("auto", DnsFamily::Auto),
        ("v4", DnsFamily::V4),
        ("v6", DnsFamily::V6),
        ("v4_preferred", DnsFamily::V4Preferred),
        ("all", DnsFamily::All),
    ];
    let mut o = cx.object(node)?;
    let dns = Dns {
        resolvers: o.optional("resolvers", base.resolvers.clone(), read_resolvers),
        family: o.optional("family", base.family, read::one_of(FAMILIES)),
        refresh: o.optional("refresh", base.refresh, read::timeout),
        respect_ttl: o.optional("respect_ttl", base.respect_ttl, read::boolean),
        min_ttl: o.optional("min_ttl", base.min_ttl, read::timeout),
        max_ttl: o.optional("max_ttl", base.max_ttl, read::timeout),
        max_negative_ttl: o.optional("max_negative_ttl", base.max_negative_ttl, read::timeout),
        failure_refresh: o.optional("failure_refresh", base.failure_refresh, read::timeout),
        jitter_percent: o.optional("jitter_percent", base.jitter_percent, read::percent),
        hold: o.optional("hold", base.hold, read::duration),
        deny: o.optional("deny", base.deny.clone(), read::one_or_list(read::parsed(RANGE))),
    };
    o.finish();
    if dns.min_ttl > dns.max_ttl {
        return cx.refuse(node, "has a \"min_ttl\" beyond its \"max_ttl\"");
    }
    Some(dns)
}

fn read_resolvers(cx: &Cx, node: &Node) -> Option<Vec<SocketAddr>> {
    let resolvers = read::one_or_list(read_resolver)(cx, node)?;
    if resolvers.len() > MAX_RESOLVERS {
        let complaint = Complaint::new(format!("has {} servers", resolvers.len()));
        return cx.refuse(node, complaint.expected(format!("at most {MAX_RESOLVERS}")));
    }
    Some(resolvers)
}

/// An address, with the port of DNS if it has none.
fn read_resolver(cx: &Cx, node: &Node) -> Option<SocketAddr> {
    let text = read::string(cx, node)?;
    let alone = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    match text.parse::<SocketAddr>().or(alone) {
        Ok(address) if address.port() != 0 => Some(address),
        _ => {
            let complaint = Complaint::new(format!("{} is not the address of a server", quote(&text)));
            cx.refuse(node, complaint.expected("\"192.0.2.53\", \"192.0.2.53:5353\" or \"[2001:db8::53]:53\""))
        }
    }
}

//! One of the `listeners`, of connections: where traffic comes in.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::text::{Cx, Node, Object, read, write};
use super::{AccessLog, Chain, ChainMatch, Cidr, access_log, address, chain};
use crate::runtime::net::Addr;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listener {
    /// Unique. Default: the address.
    pub name: String,
    #[serde(serialize_with = "write::display")]
    pub address: Addr,
    /// Where a connection was to go before netfilter redirected it here counts as its destination. Default false.
    pub original_dst: bool,
    /// Who may say, before anything else, for whom it connects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// For a PROXY header and a TLS hello to come. Default 5 s.
    #[serde(serialize_with = "write::duration")]
    pub detect_timeout: Duration,
    /// `None`: the file's `access_log`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<Vec<AccessLog>>,
    /// Most connections over all workers. Default 10 000, at least 1.
    pub max_connections: u64,
    /// Most connections waiting for accept. Default 4096, 1 to 65 535.
    pub tcp_backlog_size: u32,
    #[serde(flatten)]
    pub chains: Chains,
}

/// At least one.
#[derive(Debug, Clone, PartialEq)]
pub enum Chains {
    /// The listener's own keys. The chain bears its name.
    Own(Box<[Chain; 1]>),
    /// Those under `chains`.
    Listed(Vec<Chain>),
}

/// The PROXY protocol, version 1 or 2.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProxyProtocol {
    /// Peers whose header is read and believed. From others none is read.
    #[serde(serialize_with = "write::display_list")]
    pub from: Vec<Cidr>,
    /// These peers may also come without a header. Default false: then they are refused.
    pub optional: bool,
}

impl std::ops::Deref for Chains {
    type Target = [Chain];

    fn deref(&self) -> &[Chain] {
        match self {
            Chains::Own(chain) => &**chain,
            Chains::Listed(chains) => chains,
        }
    }
}

impl Serialize for Chains {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Chains::Own(chain) => chain[0].service.serialize(out),
            Chains::Listed(chains) => {
                let mut map = out.serialize_map(Some(1))?;
                map.serialize_entry("chains", chains)?;
                map.end()
            }
        }
    }
}

/// Keys of features to come.
const LATER: &[&str] = &["quic", "transparent", "reuse_port", "stat_prefix", "stats"];

impl Listener {
    /// Its own, and those of its chains.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.chains.iter().map(|chain| chain.name.as_str()))
    }
}

pub(super) fn read(cx: &Cx, node: &Node) -> Option<Listener> {
    let mut o = cx.object(node)?;
    o.later(LATER);
    o.refuse("udp", "\"udp\" is for listeners whose \"protocol\" is \"udp\"");
    let name = o.maybe("name", read::name);
    let address = o.required("address", address::listening);
    let name = name.or_else(|| address.as_ref().map(Addr::to_string)).unwrap_or_default();
    let chains = read_chains(cx, node, &mut o, &name);
    let original_dst = o.optional("original_dst", false, |cx, node| match (read::boolean(cx, node)?, &address) {
        (true, Some(Addr::Unix(_))) => cx.refuse(node, "nothing is redirected to a UNIX socket"),
        (original_dst, _) => Some(original_dst),
    });
    let proxy_protocol = o.maybe("proxy_protocol", read_proxy_protocol);
    let detect_timeout = o.optional("detect_timeout", Duration::from_secs(5), read::timeout);
    let access_log = o.maybe("access_log", read::one_or_list(access_log::read));
    let max_connections = o.optional("max_connections", 10_000, read::integer(1..=u64::MAX));
    let tcp_backlog_size = o.optional("tcp_backlog_size", 4096, read::integer(1..=65_535));
    o.finish();
    Some(Listener {
        name,
        address: address?,
        original_dst,
        proxy_protocol,
        detect_timeout,
        access_log,
        max_connections,
        tcp_backlog_size,
        chains: chains?,
    })
}

fn read_chains(cx: &Cx, node: &Node, o: &mut Object, name: &str) -> Option<Chains> {
    let Some(listed) = o.take("chains") else {
        let service = chain::read_service(cx, node, o)?;
        let own = Chain { name: name.to_owned(), matches: ChainMatch::default(), service };
        return Some(Chains::Own(Box::new([own])));
    };
    for &key in chain::SERVICE_KEYS {
        if let Some(node) = o.take(key) {
            cx.refuse::<()>(&node, "stands beside \"chains\": it belongs into each of them");
        }
    }
    chain::read_all(cx, &listed, name).map(Chains::Listed)
}

fn read_proxy_protocol(cx: &Cx, node: &Node) -> Option<ProxyProtocol> {
    let mut o = cx.object(node)?;
    let from = o.required("from", chain::read_ranges);
    let optional = o.optional("optional", false, read::boolean);
    o.finish();
    let from = from?;
    if from.iter().any(|range| range.prefix_len == 0) {
        cx.warn(node, "believes every peer: anyone may claim any client address");
    }
    Some(ProxyProtocol { from, optional })
}

//! What a listener has to know of a connection before it can choose the chain for it, and the choice. Sans-IO: `arrive`
//! does the reading.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::{self, ChainMatch, Cidr, HostPattern, Protocol, TransportKind};
use crate::runtime::net::Addr;

/// How the connections of one listener arrive.
#[derive(Debug)]
pub struct Arrival {
    pub proxy_protocol: Option<config::ProxyProtocol>,
    /// The first bytes decide: whether they are a TLS hello, and what it asks for.
    pub peeks: bool,
    /// Where clients meant to go counts, and not where they were redirected to.
    pub original_dst: bool,
    /// For PROXY header and hello together.
    pub timeout: Duration,
    /// In the order of the chains.
    matches: Vec<ChainMatch>,
}

/// A connection as its first bytes show it.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// The client, or whom it connects for.
    pub source: &'a Addr,
    pub destination: &'a Addr,
    /// The TLS hello, where one was looked for and found.
    pub hello: Option<&'a nuncio_tls_hello::Hello>,
}

impl Arrival {
    pub fn new(listener: &config::Listener) -> Arrival {
        let peeks = |chain: &config::Chain| {
            let asks = &chain.matches;
            asks.transport.is_some() || !(asks.sni.is_empty() && asks.alpn.is_empty()) || wants_sni(chain)
        };
        Arrival {
            proxy_protocol: listener.proxy_protocol.clone(),
            peeks: listener.chains.iter().any(peeks),
            original_dst: listener.original_dst,
            timeout: listener.detect_timeout,
            matches: listener.chains.iter().map(|chain| chain.matches.clone()).collect(),
        }
    }

    /// The peer may say for whom it connects.
    pub fn trusts(&self, peer: &Addr) -> bool {
        let Some(proxy_protocol) = &self.proxy_protocol else { return false };
        match peer.inet() {
            Some(peer) => proxy_protocol.from.iter().any(|range| range.contains(peer.ip())),
            // Who may reach the socket's file is decided by its permissions.
            None => true,
        }
    }

    /// The one chain there is, if every connection is its.
    pub fn only_chain(&self) -> Option<usize> {
        (self.matches.len() == 1 && self.matches[0] == ChainMatch::default()).then_some(0)
    }

    /// The place of the chain: criterion by criterion, those that match it best are looked at further. A chain that is out
    /// does not come back when the others fail later, as with Envoy.
    pub fn choose(&self, arrived: &Arrived<'_>) -> Option<usize> {
        let mut left: Vec<usize> = (0..self.matches.len()).collect();
        for criterion in Criterion::ALL {
            let scores: Vec<Option<usize>> =
                left.iter().map(|&at| criterion.score(&self.matches[at], arrived)).collect();
            let best = scores.iter().flatten().max().copied()?;
            let mut scores = scores.into_iter();
            left.retain(|_| scores.next().flatten() == Some(best));
        }
        left.first().copied()
    }

    /// The first criterion that the chain at `at` does not match at all, by its key.
    pub fn failed(&self, at: usize, arrived: &Arrived<'_>) -> Option<&'static str> {
        let asks = self.matches.get(at)?;
        let failed = Criterion::ALL.into_iter().find(|criterion| criterion.score(asks, arrived).is_none());
        failed.map(Criterion::key)
    }
}

/// What chains are told apart by, the weightiest first.
#[derive(Debug, Clone, Copy)]
enum Criterion {
    DestinationPort,
    Destination,
    Sni,
    Transport,
    Alpn,
    Source,
    SourcePort,
}

impl Criterion {
    const ALL: [Criterion; 7] = [
        Criterion::DestinationPort,
        Criterion::Destination,
        Criterion::Sni,
        Criterion::Transport,
        Criterion::Alpn,
        Criterion::Source,
        Criterion::SourcePort,
    ];

    fn key(self) -> &'static str {
        match self {
            Criterion::DestinationPort => "destination_port",
            Criterion::Destination => "destination",
            Criterion::Sni => "sni",
            Criterion::Transport => "transport",
            Criterion::Alpn => "alpn",
            Criterion::Source => "source",
            Criterion::SourcePort => "source_port",
        }
    }

    /// How well a chain matches; `None`: not at all.
    fn score(self, asks: &ChainMatch, arrived: &Arrived<'_>) -> Option<usize> {
        let (source, destination) = (arrived.source.inet(), arrived.destination.inet());
        match self {
            Criterion::DestinationPort => {
                one_of(&asks.destination_port, |port| destination.is_some_and(|it| it.port() == *port))
            }
            Criterion::Destination => longest(&asks.destination, destination.map(|it| it.ip())),
            Criterion::Sni => best_name(&asks.sni, arrived.hello.and_then(|hello| hello.server_name.as_deref())),
            Criterion::Transport => transport(asks.transport, arrived.hello.is_some()),
            Criterion::Alpn => one_of(&asks.alpn, |wanted| offers(arrived, wanted)),
            Criterion::Source => longest(&asks.source, source.map(|it| it.ip())),
            Criterion::SourcePort => one_of(&asks.source_port, |port| source.is_some_and(|it| it.port() == *port)),
        }
    }
}

/// The name in a TLS hello says where a connection that is passed through goes.
fn wants_sni(chain: &config::Chain) -> bool {
    let Protocol::Tcp(tcp) = &chain.service.protocol else { return false };
    let by_filter = chain.service.filters.iter().any(|filter| matches!(filter, config::Filter::SniCluster(_)));
    chain.service.tls.is_none() && (by_filter || tcp.routes.iter().any(|route| !route.matches.sni.is_empty()))
}

/// 0: nothing is asked for; 1: one of them holds.
fn one_of<T>(asked: &[T], holds: impl Fn(&T) -> bool) -> Option<usize> {
    if asked.is_empty() { Some(0) } else { asked.iter().any(holds).then_some(1) }
}

/// The longer the prefix, the better.
fn longest(asked: &[Cidr], ip: Option<IpAddr>) -> Option<usize> {
    if asked.is_empty() {
        return Some(0);
    }
    let ip = ip?;
    asked.iter().filter(|range| range.contains(ip)).map(|range| usize::from(range.prefix_len) + 1).max()
}

/// An exact name is best, then the longest suffix.
fn best_name(asked: &[HostPattern], name: Option<&str>) -> Option<usize> {
    if asked.is_empty() {
        return Some(0);
    }
    let name = name?;
    let score = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(exact) => (exact == name).then_some(usize::MAX),
        HostPattern::Suffix(suffix) => (name.len() > suffix.len() && name.ends_with(&**suffix)).then_some(suffix.len()),
        HostPattern::Any | HostPattern::Prefix(_) => None,
    };
    asked.iter().filter_map(score).max()
}

fn transport(asked: Option<TransportKind>, tls: bool) -> Option<usize> {
    match asked {
        None => Some(0),
        Some(TransportKind::Tls) => tls.then_some(1),
        Some(TransportKind::RawBuffer) => (!tls).then_some(1),
    }
}

fn offers(arrived: &Arrived<'_>, wanted: &str) -> bool {
    arrived.hello.is_some_and(|hello| hello.alpn.iter().any(|offered| offered == wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use nuncio_tls_hello::Hello;

    use super::*;

    fn arrival(matches: &[&str]) -> Arrival {
        let chains: Vec<String> = matches
            .iter()
            .map(|matches| format!(r#"{{ "match": {matches}, "routes": [{{ "respond": {{ "status": 200 }} }}] }}"#))
            .collect();
        let text = format!(r#"{{ "listeners": [{{ "address": "127.0.0.1:0", "chains": [{}] }}] }}"#, chains.join(","));
        let (config, _) = config::parse(&text, std::path::Path::new("/"), "test").unwrap_or_else(|e| panic!("{e}"));
        Arrival::new(&config.listeners[0])
    }

    fn hello(name: &str, alpn: &[&str]) -> Hello {
        Hello {
            server_name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            alpn: alpn.iter().map(|name| name.as_bytes().to_vec()).collect(),
            ..Hello::default()
        }
    }

    fn addr(text: &str) -> Addr {
        Addr::Inet(text.parse().unwrap())
    }

    #[test]
    fn the_most_specific_chain_is_taken() {
        let arrival = arrival(&[
            "{}",
            r#"{ "sni": ["*.example.com"] }"#,
            r#"{ "sni": ["www.example.com"] }"#,
            r#"{ "sni": ["www.example.com"], "alpn": ["h2"] }"#,
            r#"{ "transport": "tls" }"#,
            r#"{ "source": ["192.0.2.0/24"] }"#,
            r#"{ "source": ["192.0.2.7"] }"#,
            r#"{ "destination_port": [8443] }"#,
            r#"{ "sni": ["*.a.example.com"] }"#,
        ]);
        assert!(arrival.peeks && arrival.only_chain().is_none());
        let (client, other, here) = (addr("198.51.100.1:5000"), addr("192.0.2.9:1"), addr("203.0.113.1:443"));
        let choose = |source: &Addr, destination: &Addr, hello: Option<&Hello>| {
            arrival.choose(&Arrived { source, destination, hello })
        };
        for (name, alpn, chain) in [
            ("www.example.com", &[][..], 2),
            ("www.example.com", &["h2", "http/1.1"], 3),
            ("a.example.com", &["h2"], 1),
            ("b.a.example.com", &[], 8),
            ("example.com", &[], 4),
            ("", &[], 4),
        ] {
            assert_eq!(choose(&client, &here, Some(&hello(name, alpn))), Some(chain), "{name} {alpn:?}");
        }
        assert_eq!(choose(&client, &here, None), Some(0));
        assert_eq!(choose(&other, &here, None), Some(5));
        assert_eq!(choose(&addr("192.0.2.7:1"), &here, None), Some(6));
        let port = addr("203.0.113.1:8443");
        assert_eq!(choose(&other, &port, Some(&hello("www.example.com", &[]))), Some(7), "the port stands before all");
    }

    #[test]
    fn without_a_chain_for_everything_some_have_none() {
        let arrival =
            arrival(&[r#"{ "sni": ["a.example"], "source": ["10.0.0.0/8"] }"#, r#"{ "sni": ["*.example"] }"#]);
        let here = addr("203.0.113.1:443");
        let choose = |source: &str, name: &str| {
            let hello = hello(name, &[]);
            arrival.choose(&Arrived { source: &addr(source), destination: &here, hello: Some(&hello) })
        };
        assert_eq!(choose("10.0.0.1:1", "a.example"), Some(0));
        assert_eq!(choose("192.0.2.1:1", "a.example"), None, "no way back from the better name");
        assert_eq!(choose("192.0.2.1:1", "b.example"), Some(1));
        assert_eq!(choose("192.0.2.1:1", "other"), None);
    }
}

//! Who the client is, when there are proxies in front, and what upstreams are told of it: `x-forwarded-for`,
//! `x-forwarded-proto` (rows T-2 and T-3 of the threat list; Envoy's rule of the trusted address).

use std::net::{IpAddr, Ipv4Addr};

use nuncio_http::{Field, HeaderId, RequestHead, Scheme};

use crate::config::{Cidr, Http};

/// What is known of the client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarded {
    /// The address to log, to limit and to hash by. `None`: a peer on a UNIX socket, with nobody behind it.
    pub client: Option<IpAddr>,
    /// The peer is a proxy of the operator's: what it says of the client is believed.
    pub trusted: bool,
}

/// Settles the forwarding fields of `head`. `peer` is `None` for a UNIX socket, `scheme` that of the connection.
///
/// A peer is trusted if it is one of `trusted_proxies`; where none are given, if there are `xff_num_trusted_hops`,
/// or if `use_remote_address` is off. An untrusted peer's word does not pass: `x-forwarded-*`, `x-real-ip`,
/// `forwarded`, `x-envoy-*` and `x-nuncio-*` are removed. A trusted one's do. The peer is appended to `x-forwarded-for`,
/// unless it is trusted and `use_remote_address` is off.
pub fn apply(head: &mut RequestHead, peer: Option<IpAddr>, scheme: Scheme, http: &Http) -> Forwarded {
    let peer = peer.map(|peer| peer.to_canonical());
    let trusted = is_trusted(peer, http);
    head.scheme = scheme;
    if !trusted {
        head.headers.retain(|field| !is_forwarding(&field));
        if let Some(peer) = peer {
            head.headers.push(HeaderId::XForwardedFor, IpText::new(peer).as_bytes());
        }
        head.headers.push(HeaderId::XForwardedProto, scheme.as_str().as_bytes());
        return Forwarded { client: peer, trusted };
    }
    let client = client_behind(head, peer, http);
    if let Some(peer) = peer.filter(|_| http.use_remote_address) {
        append_peer(head, peer);
    }
    match head.headers.get(HeaderId::XForwardedProto) {
        Some(b"http") => head.scheme = Scheme::Http,
        Some(b"https") => head.scheme = Scheme::Https,
        _ => head.headers.set(HeaderId::XForwardedProto, scheme.as_str().as_bytes()),
    }
    Forwarded { client, trusted }
}

fn is_trusted(peer: Option<IpAddr>, http: &Http) -> bool {
    if http.trusted_proxies.is_empty() {
        return http.xff_num_trusted_hops > 0 || !http.use_remote_address;
    }
    peer.is_some_and(|peer| is_one_of(&http.trusted_proxies, peer))
}

/// A field by which a proxy speaks of the client, or to another proxy. For `x-forwarded-client-cert` see `client_cert`.
fn is_forwarding(field: &Field<'_>) -> bool {
    match field.id {
        HeaderId::Forwarded | HeaderId::XRealIp => true,
        HeaderId::XForwardedFor
        | HeaderId::XForwardedHost
        | HeaderId::XForwardedPort
        | HeaderId::XForwardedProto
        | HeaderId::XEnvoyAttemptCount
        | HeaderId::XEnvoyOriginalPath
        | HeaderId::XEnvoyUpstreamServiceTime => true,
        HeaderId::Other => {
            [&b"x-forwarded-"[..], b"x-envoy-", b"x-nuncio-"].iter().any(|own| field.name.starts_with(own))
        }
        _ => false,
    }
}

/// The client as a trusted peer tells of it. `x-forwarded-for` grows at its right end, so it is read from there.
fn client_behind(head: &RequestHead, peer: Option<IpAddr>, http: &Http) -> Option<IpAddr> {
    let joined = head.headers.joined(&HeaderId::XForwardedFor);
    let mut entries = joined.as_deref().unwrap_or_default().rsplit(|&byte| byte == b',').map(parse_entry);
    let hops = http.xff_num_trusted_hops as usize;
    if hops > 0 || http.trusted_proxies.is_empty() {
        // Without use_remote_address the peer itself is one more hop.
        let skip = if http.use_remote_address { hops.saturating_sub(1) } else { hops };
        return entries.nth(skip).flatten().or(peer);
    }
    // The first that is not one of our proxies; where all are, the farthest.
    let mut client = peer;
    for entry in entries {
        let Some(entry) = entry else { break };
        client = Some(entry);
        if !is_one_of(&http.trusted_proxies, entry) {
            break;
        }
    }
    client
}

/// One entry: an address, by some proxies with a port.
fn parse_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

fn append_peer(head: &mut RequestHead, peer: IpAddr) {
    let peer = IpText::new(peer);
    let value = match head.headers.joined(&HeaderId::XForwardedFor) {
        Some(old) if !old.is_empty() => [&old, peer.as_bytes()].join(&b", "[..]),
        _ => return head.headers.set(HeaderId::XForwardedFor, peer.as_bytes()),
    };
    // One field and not two: not every server reads more than one.
    head.headers.set(HeaderId::XForwardedFor, &value);
}

fn is_one_of(ranges: &[Cidr], address: IpAddr) -> bool {
    ranges.iter().any(|range| contains(range, address))
}

/// `address` is canonical: no IPv4-mapped IPv6 address.
fn contains(range: &Cidr, address: IpAddr) -> bool {
    let same = |a: u128, b: u128, bits: u32| {
        let free = bits.saturating_sub(u32::from(range.prefix_len));
        a.checked_shr(free) == b.checked_shr(free)
    };
    match (range.address, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

/// An address as text, without an allocation.
#[derive(Debug, Clone, Copy)]
pub struct IpText {
    bytes: [u8; IpText::MAX],
    len: u8,
}

impl IpText {
    /// The longest: `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
    const MAX: usize = 45;

    pub fn new(address: IpAddr) -> IpText {
        let mut text = IpText { bytes: [0; IpText::MAX], len: 0 };
        match address {
            IpAddr::V4(address) => text.push_v4(address),
            // MAX is room for every address, and `write_str` cuts what it were not.
            IpAddr::V6(address) => _ = std::fmt::write(&mut text, format_args!("{address}")),
        }
        text
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// By hand: this runs for each request, and the formatting machinery costs more than all the rest here.
    fn push_v4(&mut self, address: Ipv4Addr) {
        for (at, octet) in address.octets().into_iter().enumerate() {
            if at > 0 {
                self.push(b'.');
            }
            if octet >= 100 {
                self.push(b'0' + octet / 100);
            }
            if octet >= 10 {
                self.push(b'0' + octet / 10 % 10);
            }
            self.push(b'0' + octet % 10);
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(free) = self.bytes.get_mut(usize::from(self.len)) {
            *free = byte;
            self.len += 1;
        }
    }
}

impl std::fmt::Write for IpText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        text.bytes().for_each(|byte| self.push(byte));
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! What a request says of the host that it wants: the hash of the parts that its route names, and the cookie of a sticky
//! session. Both may lead to a cookie in the response (RFC 6265 section 4.1).

use std::net::IpAddr;
use std::time::Duration;

use nuncio_http::{HeaderId, HeaderList, RequestHead, Scheme};
use ring::rand::{SecureRandom, SystemRandom};

use super::run::Stream;
use crate::cluster::ClusterView;
use crate::cluster::balance::{address_hash, join_hashes, sticky_id, xx_hash};
use crate::config::{HashOn, RouteHash, Sticky};
use crate::route::{Route, first_parameter};
use crate::runtime::net::Addr;

/// What a request wants, and what its response tells the client to want from now on.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Wish {
    pub(super) hash: Option<u64>,
    /// The host that the client's cookie names.
    pub(super) sticky: Option<u64>,
    /// Values of cookies that the client did not have, each with its part's place in the route's `hash`.
    made: Vec<(usize, u128)>,
}

impl Wish {
    /// `client`: by the trust rules. `random`: 128 bits that nobody can guess, for a cookie that is made.
    pub(super) fn of(
        parts: &[RouteHash],
        sticky: Option<&Sticky>,
        head: &RequestHead,
        client: Option<IpAddr>,
        mut random: impl FnMut() -> u128,
    ) -> Wish {
        let mut wish = Wish::default();
        for (at, part) in parts.iter().enumerate() {
            let hash = match &part.on {
                // It stands apart from the others, whatever the client speaks.
                HashOn::Header(name) if name.as_str() == "host" => {
                    Some(head.authority()).filter(|host| !host.is_empty()).map(|host| xx_hash(host, 0))
                }
                HashOn::Header(name) => of_header(&head.headers, name),
                HashOn::SourceAddress(_) => client.map(address_hash),
                HashOn::Query(name) => {
                    let value = head.query().and_then(|query| first_parameter(query, name.as_bytes()));
                    value.map(|value| xx_hash(&value, 0))
                }
                HashOn::Cookie(cookie) => match (find(&head.headers, &cookie.name), cookie.ttl) {
                    (Some(value), _) => Some(xx_hash(value, 0)),
                    (None, None) => None,
                    (None, Some(_)) => {
                        let value = random();
                        wish.made.push((at, value));
                        Some(xx_hash(&hex(value), 0))
                    }
                },
            };
            wish.hash = join_hashes(wish.hash, hash);
            if part.terminal && wish.hash.is_some() {
                break;
            }
        }
        wish.sticky = sticky.and_then(|sticky| find(&head.headers, &sticky.cookie)).and_then(parse_id);
        wish
    }

    /// Adds the cookies that the client is to have to the head of a response from `host`. `secure`: the client speaks TLS.
    pub(super) fn set_cookies(
        &self,
        headers: &mut HeaderList,
        parts: &[RouteHash],
        sticky: Option<&Sticky>,
        host: &Addr,
        secure: bool,
    ) {
        for &(at, value) in &self.made {
            if let Some(HashOn::Cookie(cookie)) = parts.get(at).map(|part| &part.on) {
                let ttl = cookie.ttl.filter(|ttl| !ttl.is_zero());
                set_cookie(headers, &cookie.name, &hex(value), ttl, &cookie.path, secure);
            }
        }
        if let Some(sticky) = sticky {
            let id = sticky_id(sticky, host);
            if self.sticky != Some(id) {
                set_cookie(headers, &sticky.cookie, &hex(u128::from(id))[16..], sticky.ttl, &sticky.path, secure);
            }
        }
    }
}

impl Stream {
    /// What the request wants, where anybody asks.
    pub(super) fn wish_of(&self, view: &ClusterView, route: &Route) -> Option<Box<Wish>> {
        let sticky = view.shared.config.balancing.sticky.as_ref();
        let head = self.info.request.as_ref().filter(|_| sticky.is_some() || !route.hash.is_empty())?;
        Some(Box::new(Wish::of(&route.hash, sticky, head, self.info.client, secret)))
    }

    /// The head of the response that the client gets is here.
    pub(super) fn set_cookies(&mut self) {
        let Some(wish) = &self.wish else { return };
        let (Some(route), Some(view)) = (self.route, self.attempt.view()) else { return };
        let (Some(head), Some(host)) = (&mut self.info.response, &self.info.host) else { return };
        let sticky = view.shared.config.balancing.sticky.as_ref();
        let secure = self.info.connection.scheme() == Scheme::Https;
        wish.set_cookies(&mut head.headers, &self.listener.route(route).hash, sticky, &host.address, secure);
    }
}

/// A value of a cookie that others cannot guess.
fn secret() -> u128 {
    let mut bytes = [0; 16];
    // The kernel does not fail at this; were it otherwise, the cookie would still tell clients apart.
    if SystemRandom::new().fill(&mut bytes).is_err() {
        return fastrand::u128(..);
    }
    u128::from_be_bytes(bytes)
}

/// The values in a certain order: which came first is nobody's choice.
fn of_header(headers: &HeaderList, name: &nuncio_http::HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(xx_hash(first, 0)) };
    let mut all: Vec<&[u8]> = [first, second].into_iter().chain(values).collect();
    all.sort_unstable();
    Some(all.into_iter().fold(0, |hash, value| xx_hash(value, hash)))
}

/// The value of a cookie, without the quotes around it. The first one counts.
fn find<'h>(headers: &'h HeaderList, name: &str) -> Option<&'h [u8]> {
    let pairs = headers.get_all(&HeaderId::Cookie).flat_map(|value| value.split(|&byte| byte == b';'));
    let mut values = pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        let at = pair.iter().position(|&byte| byte == b'=')?;
        (&pair[..at] == name.as_bytes()).then(|| &pair[at + 1..])
    });
    let value = values.next()?;
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    Some(inner.unwrap_or(value))
}

fn parse_id(value: &[u8]) -> Option<u64> {
    let is_ours = value.len() == 16 && value.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_ours)?;
    u64::from_str_radix(text, 16).ok()
}

fn hex(value: u128) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(value.to_be_bytes()) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]];
    }
    text
}

fn set_cookie(headers: &mut HeaderList, name: &str, value: &[u8], ttl: Option<Duration>, path: &str, secure: bool) {
    let mut text = Vec::with_capacity(name.len() + value.len() + path.len() + 64);
    text.extend_from_slice(name.as_bytes());
    text.push(b'=');
    text.extend_from_slice(value);
    if let Some(ttl) = ttl {
        text.extend_from_slice(format!("; Max-Age={}", ttl.as_secs()).as_bytes());
    }
    text.extend_from_slice(b"; Path=");
    text.extend_from_slice(path.as_bytes());
    text.extend_from_slice(b"; HttpOnly");
    if secure {
        text.extend_from_slice(b"; Secure");
    }
    headers.push(HeaderId::SetCookie, &text);
}

#[cfg(test)]
mod tests;

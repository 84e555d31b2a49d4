//! The host of a client in its cookie: which one it is can be told by those who know the hosts, and its address cannot be read.

use ring::hmac;

use crate::config::Sticky;
use crate::runtime::net::Addr;

/// What the cookie calls a host: the start of a keyed hash of its address. The name of the cookie is the key, so that all
/// proxies with the same configuration, and this one when it is started again, understand each other.
pub fn sticky_id(settings: &Sticky, address: &Addr) -> u64 {
    let key = hmac::Key::new(hmac::HMAC_SHA256, settings.cookie.as_bytes());
    let tag = hmac::sign(&key, address.to_string().as_bytes());
    tag.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

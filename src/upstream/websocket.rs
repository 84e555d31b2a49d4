//! The WebSocket handshake where one side of the proxy opens it by `Upgrade` (RFC 6455 section 4) and the other by extended
//! CONNECT (RFC 8441 section 5): the key and its proof exist on the HTTP/1 side only.

use nuncio_http::{HeaderList, HeaderName};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

const KEY: &str = "sec-websocket-key";
const ACCEPT: &str = "sec-websocket-accept";
/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The client's key; `None`: it did not come by HTTP/1.
pub(super) fn key(headers: &HeaderList) -> Option<Vec<u8>> {
    headers.get(name(KEY)?).map(<[u8]>::to_vec)
}

/// Takes the fields out that have no meaning in extended CONNECT.
pub(super) fn strip(headers: &mut HeaderList) {
    headers.retain(|field| field.name != KEY.as_bytes() && field.name != ACCEPT.as_bytes());
}

/// Adds the proof that the request with `key` was understood.
pub(super) fn set_accept(headers: &mut HeaderList, key: &[u8]) {
    if let Some(name) = name(ACCEPT) {
        headers.set(name, &accept(key));
    }
}

/// Adds a key of our own to a request that has none: 16 random bytes (RFC 6455 section 4.1). Says what it is.
pub(super) fn set_key(headers: &mut HeaderList) -> Vec<u8> {
    let key = base64(&fastrand::u128(..).to_le_bytes());
    if let Some(name) = name(KEY) {
        headers.set(name, &key);
    }
    key
}

/// The response proves that the server understood the request with `key`.
pub(super) fn is_accepted(headers: &HeaderList, key: &[u8]) -> bool {
    name(ACCEPT).and_then(|name| headers.get(name).map(|value| value == accept(key))).unwrap_or(false)
}

fn name(text: &str) -> Option<HeaderName> {
    HeaderName::new(text).ok()
}

/// RFC 6455 section 4.2.2, item 5.4.
fn accept(key: &[u8]) -> Vec<u8> {
    base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()).as_ref())
}

/// RFC 4648 section 4, with padding.
fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * at) & 0x3f) as usize];
            text.push(if at > group.len() as u32 { b'=' } else { digit });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let mut headers = HeaderList::new();
        set_accept(&mut headers, b"dGhlIHNhbXBsZSBub25jZQ==");
        assert!(is_accepted(&headers, b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(!is_accepted(&headers, b"another"));
        let key = set_key(&mut headers);
        assert_eq!(key.len(), 24);
        assert_eq!(super::key(&headers), Some(key));
        strip(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn base64_pads() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text.as_bytes());
        }
    }
}

//! Who may ask. There is no password, so a web page that the operator looks at must not be able to use the operator's
//! browser: not by a name of its own that resolves to this host (DNS rebinding), not by a form or script that posts
//! here (row T-10 of the threat list).

use nuncio_http::validate::parse_authority;
use nuncio_http::{HeaderId, RequestHead};

/// Why the request is refused; `None`: it may be answered. `open`: the socket is a UNIX socket, or the operator has
/// allowed every host.
pub(super) fn refusal(head: &RequestHead, open: bool) -> Option<&'static str> {
    let authority = head.authority();
    if !open && !authority.is_empty() && !is_local_name(authority) {
        return Some("ask for this host by its address or as localhost\n");
    }
    // Browsers send it with every request that may change something; tools never do.
    let origin = head.headers.get(HeaderId::Origin)?;
    let own = origin.strip_prefix(b"http://").is_some_and(|origin| origin == authority);
    (!own).then_some("requests of other sites are refused\n")
}

/// An address cannot be rebound, and no DNS answers for `localhost` (RFC 6761 section 6.3).
fn is_local_name(authority: &[u8]) -> bool {
    let Some(authority) = parse_authority(authority) else { return false };
    let host = std::str::from_utf8(authority.host).unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use nuncio_http::{HeaderList, Method, Version};

    use super::*;

    fn refused(authority: &str, origin: Option<&str>, open: bool) -> bool {
        let mut head = RequestHead::new(Method::Post, Version::Http11, HeaderList::new());
        head.set_authority(authority.as_bytes());
        if let Some(origin) = origin {
            head.headers.push(HeaderId::Origin, origin.as_bytes());
        }
        refusal(&head, open).is_some()
    }

    #[test]
    fn names_may_be_rebound_and_addresses_not() {
        for good in ["127.0.0.1:9901", "127.0.0.1", "[::1]:9901", "192.0.2.1:80", "localhost", "LOCALHOST:9901", ""] {
            assert!(!refused(good, None, false), "{good}");
        }
        for bad in
            ["evil.example", "evil.example:9901", "localhost.evil.example", "127.0.0.1.evil.example", "0x7f.1", "a@b"]
        {
            assert!(refused(bad, None, false), "{bad}");
            assert!(!refused(bad, None, true), "{bad}");
        }
    }

    #[test]
    fn other_sites_are_refused() {
        let own = "127.0.0.1:9901";
        assert!(!refused(own, Some("http://127.0.0.1:9901"), false));
        for origin in
            ["http://evil.example", "https://127.0.0.1:9901", "http://127.0.0.1:8080", "null", "http://127.0.0.1:99011"]
        {
            assert!(refused(own, Some(origin), false), "{origin}");
            assert!(refused(own, Some(origin), true), "{origin}");
        }
    }
}

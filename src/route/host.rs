//! The one form of a host that is compared: for routes and for SNI (row T-6 of the threat list).

use std::borrow::Cow;

/// `authority`, or a bare host, without its port and one trailing dot, in lower case. IPv6 addresses keep their
/// brackets. Borrowed where nothing is to be lower-cased.
pub fn normalise_host(authority: &[u8]) -> Cow<'_, [u8]> {
    let end = match authority.first() {
        Some(b'[') => authority.iter().position(|&byte| byte == b']').map(|at| at + 1),
        _ => authority.iter().position(|&byte| byte == b':'),
    };
    let host = &authority[..end.unwrap_or(authority.len())];
    let host = host.strip_suffix(b".").unwrap_or(host);
    if host.iter().any(u8::is_ascii_uppercase) { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form() {
        let cases = [
            ("example.com", "example.com"),
            ("Example.COM:8443", "example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("example.com..", "example.com."),
            ("[::1]:80", "[::1]"),
            ("[2001:DB8::A]", "[2001:db8::a]"),
            ("192.0.2.1:1", "192.0.2.1"),
            ("", ""),
            ("[::1", "[::1"),
        ];
        for (authority, host) in cases {
            assert_eq!(normalise_host(authority.as_bytes()), host.as_bytes(), "{authority}");
        }
        assert!(matches!(normalise_host(b"a.example:80"), Cow::Borrowed(_)));
    }
}

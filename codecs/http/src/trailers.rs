//! Which fields may stand in a trailer section, for every codec and both directions.

use crate::name::HeaderId;

/// Fields that frame, route, authenticate or describe the message may not come after it (RFC 9110 section 6.5.1, row S-21).
pub fn may_be_trailer(id: HeaderId, name: &[u8]) -> bool {
    use HeaderId as Id;
    let denied = matches!(
        id,
        Id::Accept
            | Id::AcceptEncoding
            | Id::Age
            | Id::Authorization
            | Id::CacheControl
            | Id::Connection
            | Id::ContentEncoding
            | Id::ContentLength
            | Id::ContentType
            | Id::Cookie
            | Id::Date
            | Id::Expect
            | Id::Forwarded
            | Id::Host
            | Id::Http2Settings
            | Id::KeepAlive
            | Id::Location
            | Id::Origin
            | Id::ProxyAuthenticate
            | Id::ProxyAuthorization
            | Id::ProxyConnection
            | Id::RetryAfter
            | Id::SetCookie
            | Id::Te
            | Id::Trailer
            | Id::TransferEncoding
            | Id::Upgrade
            | Id::Vary
            | Id::WwwAuthenticate
            | Id::XRealIp
            | Id::XRequestId
    );
    let prefixes: [&[u8]; 5] = [b"x-forwarded-", b"x-envoy-", b"content-", b"if-", b"access-control-"];
    let names: [&[u8]; 4] = [b"range", b"max-forwards", b"expires", b"pragma"];
    let starts = |prefix: &&[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let named = |other: &&[u8]| name.eq_ignore_ascii_case(other);
    !denied && !prefixes.iter().any(starts) && !names.iter().any(named)
}

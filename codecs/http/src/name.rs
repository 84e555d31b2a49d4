//! Field names (RFC 9110 section 5.1), always lower case. Names that the proxy itself looks up have a
//! one-byte id, found once at parse time, so that later look-ups compare a byte and not a string.

use std::fmt;

use crate::validate;

macro_rules! header_ids {
    ($($id:ident = $text:literal,)+) => {
        /// A field name known to the proxy. `Other` stands for every name that is not.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum HeaderId { $($id,)+ Other }

        impl HeaderId {
            /// Every known name, in the order of the ids.
            pub const KNOWN: &[HeaderId] = &[$(HeaderId::$id,)+];

            /// The id of a lower-case name.
            pub fn recognise(name: &[u8]) -> HeaderId {
                // The compiler turns this into a switch on the length first.
                match name {
                    $($text => HeaderId::$id,)+
                    _ => HeaderId::Other,
                }
            }

            /// The lower-case name; empty for `Other`.
            pub const fn as_bytes(self) -> &'static [u8] {
                match self { $(HeaderId::$id => $text,)+ HeaderId::Other => b"" }
            }
        }
    };
}

header_ids! {
    Accept = b"accept",
    AcceptEncoding = b"accept-encoding",
    AccessControlAllowCredentials = b"access-control-allow-credentials",
    AccessControlAllowHeaders = b"access-control-allow-headers",
    AccessControlAllowMethods = b"access-control-allow-methods",
    AccessControlAllowOrigin = b"access-control-allow-origin",
    AccessControlExposeHeaders = b"access-control-expose-headers",
    AccessControlMaxAge = b"access-control-max-age",
    AccessControlRequestHeaders = b"access-control-request-headers",
    AccessControlRequestMethod = b"access-control-request-method",
    Age = b"age",
    Allow = b"allow",
    Authorization = b"authorization",
    CacheControl = b"cache-control",
    Connection = b"connection",
    ContentEncoding = b"content-encoding",
    ContentLength = b"content-length",
    ContentType = b"content-type",
    Cookie = b"cookie",
    Date = b"date",
    Etag = b"etag",
    Expect = b"expect",
    Forwarded = b"forwarded",
    GrpcMessage = b"grpc-message",
    GrpcStatus = b"grpc-status",
    GrpcTimeout = b"grpc-timeout",
    Host = b"host",
    Http2Settings = b"http2-settings",
    KeepAlive = b"keep-alive",
    LastModified = b"last-modified",
    Location = b"location",
    Origin = b"origin",
    ProxyAuthenticate = b"proxy-authenticate",
    ProxyAuthorization = b"proxy-authorization",
    ProxyConnection = b"proxy-connection",
    Referer = b"referer",
    RetryAfter = b"retry-after",
    Server = b"server",
    SetCookie = b"set-cookie",
    Te = b"te",
    Trailer = b"trailer",
    TransferEncoding = b"transfer-encoding",
    Upgrade = b"upgrade",
    UserAgent = b"user-agent",
    Vary = b"vary",
    Via = b"via",
    WwwAuthenticate = b"www-authenticate",
    XEnvoyAttemptCount = b"x-envoy-attempt-count",
    XEnvoyOriginalPath = b"x-envoy-original-path",
    XEnvoyUpstreamServiceTime = b"x-envoy-upstream-service-time",
    XForwardedFor = b"x-forwarded-for",
    XForwardedHost = b"x-forwarded-host",
    XForwardedPort = b"x-forwarded-port",
    XForwardedProto = b"x-forwarded-proto",
    XRealIp = b"x-real-ip",
    XRequestId = b"x-request-id",
}

/// Anything that names a field: a [`HeaderId`] in code, a [`HeaderName`] from the configuration.
pub trait Name {
    fn id(&self) -> HeaderId;
    /// The lower-case name.
    fn text(&self) -> &[u8];
}

impl Name for HeaderId {
    fn id(&self) -> HeaderId {
        *self
    }
    fn text(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// An owned, validated, lower-case field name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeaderName {
    id: HeaderId,
    text: Box<str>,
}

/// The text is not a token (RFC 9110 section 5.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidName;

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a valid header name")
    }
}

impl HeaderName {
    /// Validates `text` and lower-cases it.
    pub fn new(text: &str) -> Result<HeaderName, InvalidName> {
        if !validate::is_token(text.as_bytes()) {
            return Err(InvalidName);
        }
        let text = text.to_ascii_lowercase();
        Ok(HeaderName { id: HeaderId::recognise(text.as_bytes()), text: text.into() })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Name for HeaderName {
    fn id(&self) -> HeaderId {
        self.id
    }
    fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_recognised_and_canonical() {
        for id in HeaderId::KNOWN {
            assert_eq!(HeaderId::recognise(id.as_bytes()), *id);
            let text = std::str::from_utf8(id.as_bytes()).unwrap();
            assert_eq!(HeaderName::new(text).unwrap().as_str(), text, "lower-case token");
        }
        assert_eq!(HeaderId::recognise(b""), HeaderId::Other);
        assert_eq!(HeaderId::recognise(b"Host"), HeaderId::Other, "callers lower-case first");
    }

    #[test]
    fn names_are_tokens() {
        assert_eq!(HeaderName::new("X-Tier").unwrap().as_str(), "x-tier");
        for bad in ["", "a b", "a:", "a\r\n", "é", "a\0"] {
            assert_eq!(HeaderName::new(bad), Err(InvalidName), "{bad:?}");
        }
    }
}

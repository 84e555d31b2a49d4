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
    XEnvoyDegraded = b"x-envoy-degraded",
    XEnvoyImmediateHealthCheckFail = b"x-envoy-immediate-health-check-fail",
    XEnvoyOriginalPath = b"x-envoy-original-path",
    XEnvoyUpstreamHealthcheckedCluster = b"x-envoy-upstream-healthchecked-cluster",
    XEnvoyUpstreamServiceTime = b"x-envoy-upstream-service-time",
    XForwardedClientCert = b"x-forwarded-client-cert",
    XForwardedFor = b"x-forwarded-for",
    XForwardedHost = b"x-forwarded-host",
    XForwardedPort = b"x-forwarded-port",
    XForwardedProto = b"x-forwarded-proto",
    XRealIp = b"x-real-ip",
    XRequestId = b"x-request-id",
}

impl HeaderId {
    /// The id of a lower-case name.
    pub fn recognise(name: &[u8]) -> HeaderId {
        probe(name, |known| known == name)
    }

    /// Fields that say something of one hop alone, or that each hop writes itself from what it knows of the message: none is
    /// passed on as it came (RFC 9110 section 7.6.1, RFC 9113 section 8.2.2, row S-21).
    pub const fn is_of_the_hop(self) -> bool {
        matches!(
            self,
            HeaderId::Connection
                | HeaderId::ContentLength
                | HeaderId::Expect
                | HeaderId::Host
                | HeaderId::Http2Settings
                | HeaderId::KeepAlive
                | HeaderId::ProxyConnection
                | HeaderId::Te
                | HeaderId::TransferEncoding
                | HeaderId::Upgrade
        )
    }

    /// The id of a name in any case, as parsers meet it.
    pub fn recognise_any_case(name: &[u8]) -> HeaderId {
        probe(name, |known| is_same_name(name, known))
    }
}

/// Slots of the look-up table: a power of two, four times the names or so, so that most look-ups compare one name at most.
const SLOTS: usize = 256;

/// Marks a free slot.
const FREE: u8 = u8::MAX;

/// Known names by [`slot`], collisions in the slots behind.
const TABLE: [u8; SLOTS] = {
    let mut table = [FREE; SLOTS];
    let mut index = 0;
    while index < HeaderId::KNOWN.len() {
        let mut at = slot(HeaderId::KNOWN[index].as_bytes());
        while table[at] != FREE {
            at = (at + 1) % SLOTS;
        }
        table[at] = index as u8;
        index += 1;
    }
    table
};

/// The slot where the search for `name` begins: from its length and four of its letters, in any case.
const fn slot(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let letters = [name[0], name[len / 3], name[len / 2], name[len - 1]];
    let packed = u32::from_le_bytes(letters) | 0x2020_2020;
    (packed.wrapping_add(len as u32).wrapping_mul(0x9e37_79b1) >> 24) as usize
}

#[inline]
fn probe(name: &[u8], matches: impl Fn(&[u8]) -> bool) -> HeaderId {
    let mut at = slot(name);
    // Ends: most slots are free.
    while let Some(&id) = HeaderId::KNOWN.get(usize::from(TABLE[at])) {
        if matches(id.as_bytes()) {
            return id;
        }
        at = (at + 1) % SLOTS;
    }
    HeaderId::Other
}

/// `name`, in any case, is `known`. Eight bytes at a time: each field of each message comes through here.
#[inline]
fn is_same_name(name: &[u8], known: &[u8]) -> bool {
    if name.len() != known.len() {
        return false;
    }
    // A byte may differ in bit 0x20, where the known one is a letter: of what names are made of, only letters have bit 0x40.
    let differs = |a: u64, b: u64| (a ^ b) & !((b & 0x4040_4040_4040_4040) >> 1);
    match (name.last_chunk(), known.last_chunk()) {
        (Some(a), Some(b)) => {
            // The last eight bytes may overlap the words before them.
            let last = differs(u64::from_le_bytes(*a), u64::from_le_bytes(*b));
            let words = name.chunks_exact(8).zip(known.chunks_exact(8));
            let word = |text: &[u8]| u64::from_le_bytes(text.try_into().unwrap_or_default());
            words.fold(last, |all, (a, b)| all | differs(word(a), word(b))) == 0
        }
        _ => name.iter().zip(known).fold(0, |all, (&a, &b)| all | differs(u64::from(a), u64::from(b))) == 0,
    }
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

impl<N: Name> Name for &N {
    fn id(&self) -> HeaderId {
        N::id(self)
    }
    fn text(&self) -> &[u8] {
        N::text(self)
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

/// What becomes of a request field whose name holds an underscore: CGI and its heirs read `x_forwarded_for` and `x-forwarded-for` as one name (row T-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underscores {
    Reject,
    Drop,
    Allow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_recognised_and_canonical() {
        for id in HeaderId::KNOWN {
            assert_eq!(HeaderId::recognise(id.as_bytes()), *id);
            assert_eq!(HeaderId::recognise_any_case(&id.as_bytes().to_ascii_uppercase()), *id);
            let text = std::str::from_utf8(id.as_bytes()).unwrap();
            assert_eq!(HeaderName::new(text).unwrap().as_str(), text, "lower-case token");
        }
        assert_eq!(HeaderId::recognise(b""), HeaderId::Other);
        assert_eq!(HeaderId::recognise(b"Host"), HeaderId::Other, "callers lower-case first");
        assert_eq!(HeaderId::recognise_any_case(b""), HeaderId::Other);
        assert_eq!(HeaderId::recognise_any_case(b"x-forwarded-fox"), HeaderId::Other);
        for id in HeaderId::KNOWN {
            for at in 0..id.as_bytes().len() {
                for byte in 0..=255u8 {
                    let mut name = id.as_bytes().to_vec();
                    name[at] = byte;
                    let same = id.as_bytes().eq_ignore_ascii_case(&name);
                    assert_eq!(HeaderId::recognise_any_case(&name) == *id, same, "{}", name.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn what_each_hop_says_for_itself() {
        let of_the_hop: Vec<&[u8]> =
            HeaderId::KNOWN.iter().filter(|id| id.is_of_the_hop()).map(|id| id.as_bytes()).collect();
        let expected = "connection content-length expect host http2-settings keep-alive proxy-connection te \
                        transfer-encoding upgrade";
        assert_eq!(of_the_hop, expected.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        assert!(!HeaderId::Other.is_of_the_hop());
    }

    #[test]
    fn names_are_tokens() {
        assert_eq!(HeaderName::new("X-Tier").unwrap().as_str(), "x-tier");
        for bad in ["", "a b", "a:", "a\r\n", "é", "a\0"] {
            assert_eq!(HeaderName::new(bad), Err(InvalidName), "{bad:?}");
        }
    }
}

//! Why bytes that begin like TLS are no hello to act on, one kind for each rule.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A record of another type before the hello's end (RFC 8446 section 5.1).
    NotHandshake,
    /// The version of a record is none of 3.0 to 3.4.
    BadVersion,
    /// A record without bytes, or with more than 2^14 (RFC 8446 section 5.1).
    BadRecordLength,
    /// The first handshake message is another one.
    NotClientHello,
    /// The hello does not end within [`MAX_BYTES`](crate::MAX_BYTES).
    TooLarge,
    /// A length that does not fit, or that the rules do not have.
    Malformed,
    /// An extension that comes twice (RFC 8446 section 4.2).
    DuplicateExtension,
    /// No list of one DNS name (RFC 6066 section 3).
    BadServerName,
    /// An empty protocol name or list (RFC 7301 section 3.1), or more names than anybody has use for.
    BadProtocols,
    /// An empty list of versions, or half of one (RFC 8446 section 4.2.1).
    BadVersions,
}

impl Error {
    /// Every kind.
    pub const ALL: &[Error] = &[
        Error::NotHandshake,
        Error::BadVersion,
        Error::BadRecordLength,
        Error::NotClientHello,
        Error::TooLarge,
        Error::Malformed,
        Error::DuplicateExtension,
        Error::BadServerName,
        Error::BadProtocols,
        Error::BadVersions,
    ];
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::NotHandshake => "no handshake record where the TLS hello goes on",
            Error::BadVersion => "unknown version of a TLS record",
            Error::BadRecordLength => "empty or oversized TLS record",
            Error::NotClientHello => "a TLS handshake that does not begin with a client hello",
            Error::TooLarge => "TLS hello too large",
            Error::Malformed => "malformed TLS hello",
            Error::DuplicateExtension => "duplicate extension in a TLS hello",
            Error::BadServerName => "bad server name in a TLS hello",
            Error::BadProtocols => "bad protocol list in a TLS hello",
            Error::BadVersions => "bad version list in a TLS hello",
        })
    }
}

impl std::error::Error for Error {}

//! Why bytes are no PROXY header, one kind for each rule.

use std::fmt;

/// [`Error::NotProxy`]: these bytes begin something else. Any other kind: a header that breaks a rule, so the connection has
/// to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A byte differs from both signatures. A listener that allows connections without a header may go on.
    NotProxy,
    /// No CR LF within [`MAX_V1`](crate::MAX_V1) bytes.
    LineTooLong,
    /// A version 1 line that is not word by word as section 2.1 has it.
    BadLine,
    /// An address of another family than the line says, or not one.
    BadAddress,
    /// A port with a sign, a leading zero, or above 65535.
    BadPort,
    /// The version nibble is not 2.
    BadVersion,
    /// A command other than LOCAL and PROXY.
    BadCommand,
    /// A family and transport that section 2.2 does not have.
    BadFamily,
    /// More than [`MAX_V2`](crate::MAX_V2) bytes, to read or to write.
    TooLong,
    /// The length is below that of the addresses.
    ShortAddresses,
    /// A TLV that overruns what is around it, or is not as its type has to be (row T-12).
    BadTlv,
    /// Two checksums, or one that is not that of the header.
    BadChecksum,
}

impl Error {
    /// Every kind.
    pub const ALL: &[Error] = &[
        Error::NotProxy,
        Error::LineTooLong,
        Error::BadLine,
        Error::BadAddress,
        Error::BadPort,
        Error::BadVersion,
        Error::BadCommand,
        Error::BadFamily,
        Error::TooLong,
        Error::ShortAddresses,
        Error::BadTlv,
        Error::BadChecksum,
    ];
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::NotProxy => "no PROXY header",
            Error::LineTooLong => "PROXY line too long",
            Error::BadLine => "malformed PROXY line",
            Error::BadAddress => "bad address in a PROXY line",
            Error::BadPort => "bad port in a PROXY line",
            Error::BadVersion => "unknown version of the PROXY protocol",
            Error::BadCommand => "unknown PROXY command",
            Error::BadFamily => "unknown address family in a PROXY header",
            Error::TooLong => "PROXY header too long",
            Error::ShortAddresses => "PROXY header shorter than its addresses",
            Error::BadTlv => "malformed TLV in a PROXY header",
            Error::BadChecksum => "bad checksum of a PROXY header",
        })
    }
}

impl std::error::Error for Error {}

//! Why bytes are no certificate, one kind for each rule.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A length that reaches beyond what is around it.
    Truncated,
    /// An indefinite length, one in more bytes than it needs, or of 4 GiB and more (X.690 section 10.1).
    BadLength,
    /// A tag of several bytes, which certificates do not have.
    BadTag,
    /// A value of another type than the one that belongs here, or a constructed string (X.690 section 10.2).
    UnexpectedTag,
    /// Bytes behind the last value that belongs here.
    TrailingData,
    /// No bytes, or more than the number needs (X.690 section 8.3.2).
    BadInteger,
    /// Neither 00 nor ff (X.690 section 11.1).
    BadBoolean,
    /// A count of unused bits that cannot be, or such bits set (X.690 section 11.2.1).
    BadBitString,
    /// An object identifier that is not whole, or with more bytes than a part needs (X.690 section 8.19.2).
    BadOid,
    /// Not v1, v2 or v3; v1 written out; or parts that the version does not have (RFC 5280 section 4.1).
    BadVersion,
    /// Not as RFC 5280 section 4.1.2.5 writes a time, or a day that was not.
    BadTime,
    /// A set or sequence that must have members and has none.
    Empty,
    /// Characters that are none, in a string of two or four bytes each.
    BadString,
    /// A subject alternative name other than printable ASCII (row T-9).
    BadName,
    /// An address of neither four nor sixteen bytes.
    BadAddress,
    /// A second list of subject alternative names.
    DuplicateExtension,
}

impl Error {
    /// Every kind.
    pub const ALL: &[Error] = &[
        Error::Truncated,
        Error::BadLength,
        Error::BadTag,
        Error::UnexpectedTag,
        Error::TrailingData,
        Error::BadInteger,
        Error::BadBoolean,
        Error::BadBitString,
        Error::BadOid,
        Error::BadVersion,
        Error::BadTime,
        Error::Empty,
        Error::BadString,
        Error::BadName,
        Error::BadAddress,
        Error::DuplicateExtension,
    ];
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Truncated => "truncated certificate",
            Error::BadLength => "bad length in a certificate",
            Error::BadTag => "bad tag in a certificate",
            Error::UnexpectedTag => "unexpected type in a certificate",
            Error::TrailingData => "trailing data in a certificate",
            Error::BadInteger => "bad integer in a certificate",
            Error::BadBoolean => "bad boolean in a certificate",
            Error::BadBitString => "bad bit string in a certificate",
            Error::BadOid => "bad object identifier in a certificate",
            Error::BadVersion => "bad version of a certificate",
            Error::BadTime => "bad time in a certificate",
            Error::Empty => "empty list in a certificate",
            Error::BadString => "bad string in a certificate",
            Error::BadName => "bad alternative name in a certificate",
            Error::BadAddress => "bad address in a certificate",
            Error::DuplicateExtension => "duplicate extension in a certificate",
        })
    }
}

impl std::error::Error for Error {}

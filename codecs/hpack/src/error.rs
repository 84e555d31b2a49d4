//! Why a header block cannot be decoded, one kind for each rule. All are connection errors of type COMPRESSION_ERROR (RFC
//! 9113 section 4.3): the tables of the two ends are no longer the same.

use std::fmt;

/// The peer broke a rule of RFC 7541.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Index 0, or one behind the end of the dynamic table (section 2.3.3).
    BadIndex,
    /// An integer above 2^32 - 1, or of more than five octets after its prefix (section 5.1, row H2-15).
    IntegerOverflow,
    /// The block ends within a field or a size update.
    Truncated,
    /// The end-of-string symbol within a string (section 5.2).
    HuffmanEos,
    /// What is left behind the last symbol is longer than seven bits, or not all ones (section 5.2).
    HuffmanPadding,
    /// A dynamic table size above what we announced (section 6.3, row H2-14).
    SizeUpdateTooLarge,
    /// More than two size updates in a block (section 4.2, row H2-14).
    TooManySizeUpdates,
    /// A size update behind a field (section 4.2, row H2-14).
    MisplacedSizeUpdate,
}

impl Error {
    /// Every kind.
    pub const ALL: &[Error] = &[
        Error::BadIndex,
        Error::IntegerOverflow,
        Error::Truncated,
        Error::HuffmanEos,
        Error::HuffmanPadding,
        Error::SizeUpdateTooLarge,
        Error::TooManySizeUpdates,
        Error::MisplacedSizeUpdate,
    ];
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::BadIndex => "index outside the header tables",
            Error::IntegerOverflow => "integer too large",
            Error::Truncated => "truncated header block",
            Error::HuffmanEos => "end-of-string symbol in a Huffman string",
            Error::HuffmanPadding => "bad padding of a Huffman string",
            Error::SizeUpdateTooLarge => "table size update above the announced size",
            Error::TooManySizeUpdates => "more than two table size updates in a block",
            Error::MisplacedSizeUpdate => "table size update behind a field",
        })
    }
}

impl std::error::Error for Error {}

//! What a peer may make us hold in memory (row L-8 and the chunk and trailer rows of the threat list).

use nuncio_http::Underscores;

/// Most fields of one head that any configuration can allow: the tokeniser's table stands on the stack.
pub(crate) const MAX_FIELDS: usize = 256;

/// Limits of one side. The default suits an edge that faces strangers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Start line, fields and the blank line, in bytes: 431 beyond.
    pub head_bytes: usize,
    /// Fields of a head, at most 256: 431 beyond.
    pub fields: usize,
    /// Request target, in bytes: 414 beyond.
    pub target_bytes: usize,
    /// Extensions of one chunk, in bytes.
    pub chunk_ext_line: usize,
    /// Extensions of all chunks of a message, in bytes.
    pub chunk_ext_total: usize,
    /// Trailer section, in bytes: 431 beyond.
    pub trailer_bytes: usize,
    /// Fields of a trailer section: 431 beyond.
    pub trailer_fields: usize,
    /// 1xx responses before the final one.
    pub interim_responses: u8,
    /// What to do with a request field whose name holds an underscore.
    pub underscores: Underscores,
    /// Yield trailers (and keep the `trailer` field). They are checked in any case.
    pub keep_trailers: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes: 60 * 1024,
            fields: 100,
            target_bytes: 8 * 1024,
            chunk_ext_line: 256,
            chunk_ext_total: 4 * 1024,
            trailer_bytes: 8 * 1024,
            trailer_fields: 64,
            interim_responses: 8,
            underscores: Underscores::Reject,
            keep_trailers: false,
        }
    }
}

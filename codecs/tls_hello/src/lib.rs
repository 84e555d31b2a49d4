//! What a TLS client asks for (RFC 8446 section 4.1.2), read from bytes that stay where they are: a listener picks its
//! filter chain by it, and hands the same bytes on. Not a TLS implementation: whoever terminates checks all again.
#![forbid(unsafe_code)]

mod error;
mod record;
mod reader;
mod hello;
mod name;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use hello::Hello;

/// How far in the connection's bytes a hello may end, record headers included (row L-7): what a listener must be ready to
/// keep.
pub const MAX_BYTES: usize = 16 * 1024;

/// What [`peek`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peeked {
    /// The beginning of a hello, perhaps.
    NeedMore,
    /// The first byte is not that of a handshake record.
    NotTls,
    Hello(Hello),
}

/// Looks at the start of `bytes`, which are all that came so far. More bytes never change a verdict other than
/// [`Peeked::NeedMore`], and at [`MAX_BYTES`] there is always another one. Until the hello is whole, nothing is allocated.
pub fn peek(bytes: &[u8]) -> Result<Peeked, Error> {
    match bytes.first() {
        None => return Ok(Peeked::NeedMore),
        Some(&record::HANDSHAKE) => {}
        Some(_) => return Ok(Peeked::NotTls),
    }
    match record::assemble(bytes)? {
        None => Ok(Peeked::NeedMore),
        Some(message) => hello::parse(&message).map(Peeked::Hello),
    }
}

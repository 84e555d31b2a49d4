//! PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt): what a proxy in front writes ahead of the first
//! byte of a connection. No I/O and no trust here: from whom a header may come, and how long it may take, is the caller's.
#![forbid(unsafe_code)]

mod error;
mod header;
mod crc32c;
mod v1;
mod v2;
mod tlv;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use header::{Command, Header, Parsed, Transport, Version};
pub use tlv::{Ssl, Tlv, Tlvs, kind};
pub use v1::encode as encode_v1;
pub use v2::encode as encode_v2;

/// Bytes of a version 1 line, CR and LF included (section 2.1).
pub const MAX_V1: usize = 107;

/// Bytes of a version 2 header in all: what fits into one segment on any path (section 2.2, row T-12).
pub const MAX_V2: usize = 536;

/// Reads a header at the start of `bytes`, which are all that came so far. More bytes never change a verdict other than
/// [`Parsed::NeedMore`], and at [`MAX_V2`] bytes there is always another one.
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Error> {
    match bytes.first() {
        None => Ok(Parsed::NeedMore),
        Some(b'P') => v1::parse(bytes),
        Some(b'\r') => v2::parse(bytes),
        Some(_) => Err(Error::NotProxy),
    }
}

/// Whether `bytes` begin with `signature`, or could with more of them.
fn begins(bytes: &[u8], signature: &[u8]) -> Result<bool, Error> {
    let len = bytes.len().min(signature.len());
    if bytes[..len] != signature[..len] {
        return Err(Error::NotProxy);
    }
    Ok(len == signature.len())
}

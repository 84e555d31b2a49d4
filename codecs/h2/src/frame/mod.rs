//! Frames (RFC 9113 sections 4 and 6), one file a type. Parsers take the payload of a whole frame and yield what it says;
//! what that means in the state of a stream or of the connection is decided elsewhere.

use nuncio_http::Output;

use crate::error::Error;

pub(crate) mod continuation;
pub(crate) mod data;
pub(crate) mod goaway;
pub(crate) mod headers;
pub(crate) mod ping;
pub(crate) mod priority;
pub(crate) mod priority_update;
pub(crate) mod push_promise;
pub(crate) mod rst_stream;
pub(crate) mod settings;
pub(crate) mod window_update;

/// Bytes of a frame header.
pub(crate) const HEADER_LEN: usize = 9;

/// SETTINGS_MAX_FRAME_SIZE until a peer says otherwise, and the least it may say, in bytes.
pub(crate) const DEFAULT_MAX_FRAME_SIZE: u32 = 1 << 14;

/// The most SETTINGS_MAX_FRAME_SIZE may say, in bytes.
pub(crate) const LARGEST_MAX_FRAME_SIZE: u32 = (1 << 24) - 1;

/// Largest stream identifier.
pub(crate) const MAX_STREAM_ID: u32 = (1 << 31) - 1;

/// Frame flags (RFC 9113 section 6). A flag that a type does not define is ignored.
pub(crate) mod flag {
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// A frame header (RFC 9113 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Of the payload, in bytes.
    pub(crate) len: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// Without its reserved bit.
    pub(crate) stream: u32,
}

impl Header {
    /// The header in front of `buf`, if it is whole.
    pub(crate) fn peek(buf: &[u8]) -> Option<Header> {
        let &[a, b, c, kind, flags, d, e, f, g] = buf.first_chunk()?;
        Some(Header {
            len: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([d, e, f, g]) & MAX_STREAM_ID,
        })
    }

    /// `len` fits in 24 bits: the caller keeps to the peer's frame size.
    pub(crate) fn put(self, out: &mut Output) {
        let [_, a, b, c] = u32::try_from(self.len).unwrap_or(LARGEST_MAX_FRAME_SIZE).to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        out.put_slice(&[a, b, c, self.kind, self.flags, d, e, f, g]);
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The payload without its padding (RFC 9113 section 6.1).
fn unpad(header: Header, payload: &[u8]) -> Result<&[u8], Error> {
    if !header.has(flag::PADDED) {
        return Ok(payload);
    }
    let (&padding, rest) = payload.split_first().ok_or(Error::frame_size("padded frame without a pad length"))?;
    let len = rest.len().checked_sub(usize::from(padding)).ok_or(Error::protocol("padding longer than its frame"))?;
    Ok(&rest[..len])
}

/// The frame belongs to a stream.
fn on_stream(header: Header) -> Result<(), Error> {
    if header.stream == 0 { Err(Error::protocol("frame of a stream on stream 0")) } else { Ok(()) }
}

/// The frame belongs to the connection.
fn on_connection(header: Header) -> Result<(), Error> {
    if header.stream == 0 { Ok(()) } else { Err(Error::protocol("frame of the connection on a stream")) }
}

/// A payload of exactly `N` bytes.
fn exactly<const N: usize>(payload: &[u8]) -> Result<[u8; N], Error> {
    payload.try_into().map_err(|_| Error::frame_size("frame of the wrong length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_goes_both_ways() {
        let header = Header { len: 0x01_0203, kind: 4, flags: 0x25, stream: 0x7fff_fffe };
        let mut out = Output::new();
        header.put(&mut out);
        let mut slices = [std::io::IoSlice::new(b"")];
        out.io_slices(&mut slices);
        let mut bytes = slices[0].to_vec();
        assert_eq!(bytes, [1, 2, 3, 4, 0x25, 0x7f, 0xff, 0xff, 0xfe]);
        bytes[5] |= 0x80;
        assert_eq!(Header::peek(&bytes), Some(header), "the reserved bit is ignored");
        assert_eq!(Header::peek(&bytes[..8]), None);
    }

    #[test]
    fn padding() {
        let frame = |flags| Header { len: 0, kind: 0, flags, stream: 1 };
        assert_eq!(unpad(frame(0), b"\x05ab"), Ok(&b"\x05ab"[..]));
        assert_eq!(unpad(frame(flag::PADDED), b"\x00ab"), Ok(&b"ab"[..]));
        assert_eq!(unpad(frame(flag::PADDED), b"\x02ab"), Ok(&b""[..]));
        assert!(unpad(frame(flag::PADDED), b"\x03ab").is_err());
        assert!(unpad(frame(flag::PADDED), b"").is_err());
        let mut longest = vec![255; 256];
        assert_eq!(unpad(frame(flag::PADDED), &longest), Ok(&b""[..]));
        longest.pop();
        assert!(unpad(frame(flag::PADDED), &longest).is_err());
    }
}

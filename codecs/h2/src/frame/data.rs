//! DATA (RFC 9113 section 6.1). Read and written in pieces: a frame need not be whole to be passed on.

use super::{HEADER_LEN, Header, flag, on_stream};
use crate::error::Error;

pub(crate) const KIND: u8 = 0x0;

/// The front of a DATA frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Front {
    /// Bytes in front of the data: the frame header and the pad length.
    pub(crate) len: usize,
    /// Bytes of data.
    pub(crate) data: usize,
    /// Bytes of padding behind the data.
    pub(crate) padding: usize,
    pub(crate) end_stream: bool,
}

/// Reads the front of the frame that begins `buf`. `None`: there is not enough of it yet.
pub(crate) fn parse_front(header: Header, buf: &[u8]) -> Result<Option<Front>, Error> {
    on_stream(header)?;
    let end_stream = header.has(flag::END_STREAM);
    if !header.has(flag::PADDED) {
        return Ok(Some(Front { len: HEADER_LEN, data: header.len, padding: 0, end_stream }));
    }
    let rest = header.len.checked_sub(1).ok_or(Error::frame_size("padded frame without a pad length"))?;
    let Some(&padding) = buf.get(HEADER_LEN) else { return Ok(None) };
    let padding = usize::from(padding);
    let data = rest.checked_sub(padding).ok_or(Error::protocol("padding longer than its frame"))?;
    Ok(Some(Front { len: HEADER_LEN + 1, data, padding, end_stream }))
}

/// The header of a frame with `len` bytes of data.
pub(crate) fn header(stream: u32, len: usize, end_stream: bool) -> Header {
    Header { len, kind: KIND, flags: if end_stream { flag::END_STREAM } else { 0 }, stream }
}

//! CONTINUATION (RFC 9113 section 6.10).

use super::{Header, flag};

pub(crate) const KIND: u8 = 0x9;

pub(crate) fn header(stream: u32, len: usize, end_headers: bool) -> Header {
    Header { len, kind: KIND, flags: if end_headers { flag::END_HEADERS } else { 0 }, stream }
}

//! HEADERS (RFC 9113 section 6.2).

use super::priority::Dependency;
use super::{Header, flag, on_stream, unpad};
use crate::error::Error;

pub(crate) const KIND: u8 = 0x1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Headers<'a> {
    /// The first fragment of the header block.
    pub(crate) fragment: &'a [u8],
    pub(crate) dependency: Option<Dependency>,
    pub(crate) end_stream: bool,
    pub(crate) end_headers: bool,
}

pub(crate) fn parse(header: Header, payload: &[u8]) -> Result<Headers<'_>, Error> {
    on_stream(header)?;
    let mut fragment = unpad(header, payload)?;
    let mut dependency = None;
    if header.has(flag::PRIORITY) {
        let (fields, rest) = fragment.split_first_chunk().ok_or(Error::frame_size("HEADERS without its priority"))?;
        dependency = Some(Dependency::parse(*fields));
        fragment = rest;
    }
    Ok(Headers {
        fragment,
        dependency,
        end_stream: header.has(flag::END_STREAM),
        end_headers: header.has(flag::END_HEADERS),
    })
}

pub(crate) fn header(stream: u32, len: usize, end_stream: bool, end_headers: bool) -> Header {
    let end_stream = if end_stream { flag::END_STREAM } else { 0 };
    let end_headers = if end_headers { flag::END_HEADERS } else { 0 };
    Header { len, kind: KIND, flags: end_stream | end_headers, stream }
}

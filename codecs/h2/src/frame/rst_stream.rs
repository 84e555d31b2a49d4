//! RST_STREAM (RFC 9113 section 6.4).

use super::{Header, exactly, on_stream};
use crate::error::{Error, Reason};

pub(crate) const KIND: u8 = 0x3;

pub(crate) fn parse(header: Header, payload: &[u8]) -> Result<Reason, Error> {
    on_stream(header)?;
    Ok(Reason(u32::from_be_bytes(exactly(payload)?)))
}

pub(crate) fn frame(stream: u32, reason: Reason) -> (Header, [u8; 4]) {
    (Header { len: 4, kind: KIND, flags: 0, stream }, reason.0.to_be_bytes())
}

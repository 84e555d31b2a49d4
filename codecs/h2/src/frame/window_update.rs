//! WINDOW_UPDATE (RFC 9113 section 6.9).

use super::{Header, MAX_STREAM_ID, exactly};
use crate::error::{Error, Fault, Reason, StreamFault};

pub(crate) const KIND: u8 = 0x8;

/// By how much to widen the window; never 0.
pub(crate) fn parse(header: Header, payload: &[u8]) -> Result<u32, Fault> {
    let increment = u32::from_be_bytes(exactly(payload)?) & MAX_STREAM_ID;
    match (increment, header.stream) {
        (0, 0) => Err(Error::protocol("WINDOW_UPDATE by nothing").into()),
        (0, stream) => Err(StreamFault::new(stream, Reason::PROTOCOL_ERROR, "http2.empty_window_update").into()),
        _ => Ok(increment),
    }
}

pub(crate) fn frame(stream: u32, increment: u32) -> (Header, [u8; 4]) {
    (Header { len: 4, kind: KIND, flags: 0, stream }, increment.to_be_bytes())
}

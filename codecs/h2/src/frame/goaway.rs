//! GOAWAY (RFC 9113 section 6.8). Debug data is neither read nor sent.

use super::{Header, MAX_STREAM_ID, on_connection};
use crate::error::{Error, Reason};

pub(crate) const KIND: u8 = 0x7;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goaway {
    /// The last stream that was or may yet be acted on.
    pub(crate) last: u32,
    pub(crate) reason: Reason,
}

pub(crate) fn parse(header: Header, payload: &[u8]) -> Result<Goaway, Error> {
    on_connection(header)?;
    let &[a, b, c, d, e, f, g, h] = payload.first_chunk().ok_or(Error::frame_size("GOAWAY too short"))?;
    let last = u32::from_be_bytes([a, b, c, d]) & MAX_STREAM_ID;
    Ok(Goaway { last, reason: Reason(u32::from_be_bytes([e, f, g, h])) })
}

pub(crate) fn frame(goaway: Goaway) -> (Header, [u8; 8]) {
    let [a, b, c, d] = goaway.last.to_be_bytes();
    let [e, f, g, h] = goaway.reason.0.to_be_bytes();
    (Header { len: 8, kind: KIND, flags: 0, stream: 0 }, [a, b, c, d, e, f, g, h])
}

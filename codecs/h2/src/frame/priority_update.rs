//! PRIORITY_UPDATE (RFC 9218 section 7.1): a client changes the priority of a response.

use super::{Header, MAX_STREAM_ID, on_connection};
use crate::error::Error;

pub(crate) const KIND: u8 = 0x10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PriorityUpdate<'a> {
    /// The stream it is about.
    pub(crate) stream: u32,
    /// As of a `priority` field.
    pub(crate) value: &'a [u8],
}

pub(crate) fn parse(header: Header, payload: &[u8]) -> Result<PriorityUpdate<'_>, Error> {
    on_connection(header)?;
    let (id, value) = payload.split_first_chunk().ok_or(Error::frame_size("PRIORITY_UPDATE too short"))?;
    let stream = u32::from_be_bytes(*id) & MAX_STREAM_ID;
    if stream == 0 {
        return Err(Error::protocol("PRIORITY_UPDATE for stream 0"));
    }
    Ok(PriorityUpdate { stream, value })
}

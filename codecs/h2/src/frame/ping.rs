//! PING (RFC 9113 section 6.7).

use super::{Header, exactly, flag, on_connection};
use crate::error::Error;

pub(crate) const KIND: u8 = 0x6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ping {
    pub(crate) ack: bool,
    pub(crate) payload: [u8; 8],
}

pub(crate) fn parse(header: Header, payload: &[u8]) -> Result<Ping, Error> {
    on_connection(header)?;
    Ok(Ping { ack: header.has(flag::ACK), payload: exactly(payload)? })
}

pub(crate) fn header(ack: bool) -> Header {
    Header { len: 8, kind: KIND, flags: if ack { flag::ACK } else { 0 }, stream: 0 }
}

//! SETTINGS (RFC 9113 section 6.5). What the values mean stands in `crate::settings`.

use super::{Header, flag, on_connection};
use crate::error::Error;

pub(crate) const KIND: u8 = 0x4;

const ENTRY_LEN: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settings<'a> {
    Ack,
    Entries(Entries<'a>),
}

/// Identifiers and values, in order; later ones overrule earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entries<'a>(&'a [u8]);

impl<'a> Entries<'a> {
    pub(crate) fn len(self) -> usize {
        self.0.len() / ENTRY_LEN
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (u16, u32)> + 'a {
        self.0.chunks_exact(ENTRY_LEN).filter_map(|entry| {
            let &[a, b, c, d, e, f] = entry.first_chunk()?;
            Some((u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f])))
        })
    }
}

pub(crate) fn parse(header: Header, payload: &[u8]) -> Result<Settings<'_>, Error> {
    on_connection(header)?;
    if header.has(flag::ACK) {
        if !payload.is_empty() {
            return Err(Error::frame_size("SETTINGS acknowledgement with a payload"));
        }
        return Ok(Settings::Ack);
    }
    if !payload.len().is_multiple_of(ENTRY_LEN) {
        return Err(Error::frame_size("SETTINGS of a broken length"));
    }
    Ok(Settings::Entries(Entries(payload)))
}

pub(crate) fn header(entries: usize) -> Header {
    Header { len: entries * ENTRY_LEN, kind: KIND, flags: 0, stream: 0 }
}

pub(crate) fn entry(id: u16, value: u32) -> [u8; ENTRY_LEN] {
    let [a, b] = id.to_be_bytes();
    let [c, d, e, f] = value.to_be_bytes();
    [a, b, c, d, e, f]
}

pub(crate) fn ack() -> Header {
    Header { len: 0, kind: KIND, flags: flag::ACK, stream: 0 }
}

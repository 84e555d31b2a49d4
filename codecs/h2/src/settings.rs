//! What the settings of either side say (RFC 9113 section 6.5.2, RFC 8441 section 3, RFC 9218 section 2.1).

use crate::error::{Error, Reason};
use crate::event::Side;
use crate::flow::{INITIAL_WINDOW, MAX_WINDOW};
use crate::frame::settings::Entries;
use crate::frame::{DEFAULT_MAX_FRAME_SIZE, LARGEST_MAX_FRAME_SIZE};
use crate::limits::Limits;

pub(crate) use id::HEADER_TABLE_SIZE;

/// Identifiers.
mod id {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 0x1;
    pub(super) const ENABLE_PUSH: u16 = 0x2;
    pub(super) const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    pub(super) const INITIAL_WINDOW_SIZE: u16 = 0x4;
    pub(super) const MAX_FRAME_SIZE: u16 = 0x5;
    pub(super) const MAX_HEADER_LIST_SIZE: u16 = 0x6;
    pub(super) const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;
    pub(super) const NO_RFC7540_PRIORITIES: u16 = 0x9;
}

/// SETTINGS_HEADER_TABLE_SIZE until a peer says otherwise, in bytes.
pub(crate) const DEFAULT_HEADER_TABLE_SIZE: u32 = 4096;

/// Most entries that we send.
const MOST_ENTRIES: usize = 8;

/// The peer's settings that we go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerSettings {
    pub(crate) header_table_size: u32,
    /// `None`: it has not said.
    pub(crate) max_concurrent_streams: Option<u32>,
    pub(crate) initial_window: u32,
    pub(crate) max_frame_size: u32,
    pub(crate) connect_protocol: bool,
}

impl PeerSettings {
    pub(crate) const DEFAULT: PeerSettings = PeerSettings {
        header_table_size: DEFAULT_HEADER_TABLE_SIZE,
        max_concurrent_streams: None,
        initial_window: INITIAL_WINDOW,
        max_frame_size: DEFAULT_MAX_FRAME_SIZE,
        connect_protocol: false,
    };

    /// What the settings are after these changes. `side` is ours.
    pub(crate) fn changed(mut self, entries: Entries<'_>, side: Side) -> Result<PeerSettings, Error> {
        for (setting, value) in entries.iter() {
            match setting {
                id::HEADER_TABLE_SIZE => self.header_table_size = value,
                // A server must not offer to be pushed to.
                id::ENABLE_PUSH if value > 1 || value == 1 && side == Side::Client => {
                    return Err(Error::protocol("bad SETTINGS_ENABLE_PUSH"));
                }
                id::MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = Some(value),
                id::INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                    return Err(Error::rule(Reason::FLOW_CONTROL_ERROR, "bad SETTINGS_INITIAL_WINDOW_SIZE"));
                }
                id::INITIAL_WINDOW_SIZE => self.initial_window = value,
                id::MAX_FRAME_SIZE if !(DEFAULT_MAX_FRAME_SIZE..=LARGEST_MAX_FRAME_SIZE).contains(&value) => {
                    return Err(Error::protocol("bad SETTINGS_MAX_FRAME_SIZE"));
                }
                id::MAX_FRAME_SIZE => self.max_frame_size = value,
                // RFC 8441 section 3: it is not taken back.
                id::ENABLE_CONNECT_PROTOCOL if value > 1 || value == 0 && self.connect_protocol => {
                    return Err(Error::protocol("bad SETTINGS_ENABLE_CONNECT_PROTOCOL"));
                }
                id::ENABLE_CONNECT_PROTOCOL => self.connect_protocol = value == 1,
                id::NO_RFC7540_PRIORITIES if value > 1 => {
                    return Err(Error::protocol("bad SETTINGS_NO_RFC7540_PRIORITIES"));
                }
                _ => {}
            }
        }
        Ok(self)
    }
}

/// The settings that we announce, as identifiers and values.
pub(crate) fn ours(side: Side, limits: &Limits) -> impl Iterator<Item = (u16, u32)> + Clone {
    let mut entries = [None; MOST_ENTRIES];
    let header_list = u32::try_from(limits.head_bytes).unwrap_or(u32::MAX);
    let unless_default = |id, value, default| (value != default).then_some((id, value));
    entries[0] = unless_default(id::HEADER_TABLE_SIZE, limits.header_table_size, DEFAULT_HEADER_TABLE_SIZE);
    entries[1] = unless_default(id::INITIAL_WINDOW_SIZE, limits.initial_stream_window.min(MAX_WINDOW), INITIAL_WINDOW);
    entries[2] = unless_default(id::MAX_FRAME_SIZE, max_frame_size(limits), DEFAULT_MAX_FRAME_SIZE);
    entries[3] = Some((id::MAX_HEADER_LIST_SIZE, header_list));
    match side {
        Side::Client => entries[4] = Some((id::ENABLE_PUSH, 0)),
        Side::Server => {
            entries[4] = Some((id::MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams));
            entries[5] = limits.connect_protocol.then_some((id::ENABLE_CONNECT_PROTOCOL, 1));
            entries[6] = Some((id::NO_RFC7540_PRIORITIES, 1));
        }
    }
    entries.into_iter().flatten()
}

/// SETTINGS_MAX_FRAME_SIZE that we announce, in bytes.
pub(crate) fn max_frame_size(limits: &Limits) -> u32 {
    limits.max_frame_size.clamp(DEFAULT_MAX_FRAME_SIZE, LARGEST_MAX_FRAME_SIZE)
}
